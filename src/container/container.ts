import { layout } from "../cgroups/look.ts";
import { ensureDelegation, homeOfDetached } from "../cgroups/systemd.ts";
import { compile } from "../compile/compile.ts";
import { compileExec } from "../compile/exec.ts";
import type { Job } from "../compile/job.ts";
import { type Parts, partsFor } from "../compile/parts.ts";
import type { CopyOptions, CopyResult } from "../copy/copy.ts";
import type { Inside } from "../copy/place.ts";
import { hostFacts } from "../host/facts.ts";
import { type Identity, identityOf, isAlive } from "../host/identity.ts";
import { KILL_EVERYTHING } from "../kernel/signals.ts";
import { explainText } from "../program/explain.ts";
import { launcher } from "../program/launcher.ts";
import type { Program } from "../program/types.ts";
import { NameError } from "../values/errors.ts";
import { checkShape, fields, flag } from "../values/shape.ts";
import { parseDuration } from "../values/units.ts";
import { claim } from "./claim.ts";
import { signalContainer } from "./end.ts";
import { environmentFor } from "./environment.ts";
import { collected, type Encoding, fed, type StreamOptions } from "./exchange.ts";
import { groupsToEnter } from "./group-path.ts";
import { withState } from "./noted.ts";
import type { ContainerOptions } from "./options.ts";
import { checkWorkdir } from "./paths.ts";
import { refusePaused } from "./paused.ts";
import { PIPES, type Prepared, prepare } from "./prepare.ts";
import { ContainerProcess, checkedSignal } from "./process.ts";
import { abortWith, type RunOptions, type RunResult, resultOf } from "./run.ts";
import { checkCommand, checkShapes } from "./shape.ts";
import { answering, start, startProgram } from "./start.ts";
import { isRunning, runningContainer, untilEnded } from "./state.ts";
import { checkStreams, outputs } from "./streams.ts";
import { startable } from "./templates.ts";
import { resolveUser } from "./users.ts";
import { orEnded } from "./while-running.ts";
import { words } from "./words.ts";

export type ExecOptions<E extends Encoding = "utf8"> = StreamOptions<E> &
  Pick<RunOptions, "env" | "workdir" | "user" | "timeout">;

/** Who looks after the container: a child of this runtime's, or another's that was found again. */
type Supervisor = { kill(signal: number): void; ended(): Promise<unknown> };

/** A container kept alive with no command of its own; commands are run in it with `run`, `spawn` and `$`. */
export class Container {
  readonly name: string;
  readonly pid: number;
  readonly #first: Identity | undefined;
  readonly #prepared: Prepared;
  readonly #supervisor: Supervisor;
  readonly #parts: Parts;

  constructor(prepared: Prepared, pid: number, supervisor: Supervisor, parts: Parts = {}) {
    this.name = prepared.job.name;
    this.pid = pid;
    this.#first = identityOf(pid);
    this.#prepared = prepared;
    this.#supervisor = supervisor;
    this.#parts = parts;
  }

  /** The program that made it, as text. */
  plan(): string {
    const report = { to: "library", token: 0, survive: false } as const;
    const { spec, facts, job } = this.#prepared;
    return explainText(compile(spec, facts, { ...job, stdio: NOTHING, report }, this.#parts));
  }

  async spawn(command: readonly string[], options: ExecOptions<Encoding> = {}): Promise<ContainerProcess> {
    const { input, stdout = "pipe", stderr = "pipe", signal, ...own } = options;
    checkCommand(command);
    checkStreams(options);
    checkShapes({ env: own.env, workdir: own.workdir, user: own.user, timeout: own.timeout });
    this.#needRunning();
    refusePaused(this.name, this.#prepared.job.cgroup);
    const l = launcher();
    const token = l.token();
    const stdio = [
      input === undefined ? { kind: "null" as const } : PIPES[0],
      outputs[stdout],
      outputs[stderr],
    ] as const;
    const { answers, spec } = this.#prepared;
    const cgroup = groupsToEnter(this.name, this.#prepared.job.cgroup);
    if (cgroup.groups.length) await ensureDelegation(layout(), l.pid);
    const program = this.#exec(command, options, { cgroup, stdio, report: { to: "library", token, survive: false } });
    const started = await startProgram(l, startable(program), token, stdio, [], answers && answering(answers, spec));
    const ended = fed(started, input);
    const stop = abortWith(signal, started);
    ended.then(stop, stop);
    return new ContainerProcess(command, { ...started, ended });
  }

  /** By the time that it has ended its pid may be another's, in whose namespaces nothing of ours is to happen. */
  #needRunning(): void {
    // From others than root procfs may hide it (hidepid).
    const isThere = this.#first ? isAlive(this.#first) : process.geteuid?.() !== 0 && isRunning(this.name);
    if (!isThere) throw new NameError(this.name, `the container ${this.name} has ended`);
  }

  #exec(
    command: readonly string[],
    o: ExecOptions<Encoding>,
    where: Pick<Job, "cgroup" | "stdio" | "report">,
  ): Program {
    const { spec, facts, job } = this.#prepared;
    const { process } = spec;
    if (!process) throw new TypeError("a container without a process");
    const root = spec.root?.path ?? "/";
    const user = o.user === undefined ? undefined : resolveUser(root, o.user);
    const env = environmentFor(process, root, o.env ?? {}, user);
    const cwd = o.workdir === undefined ? process.cwd : checkWorkdir(o.workdir);
    const altered = { ...process, args: command, env, cwd, ...(user && { user: user.ids }) };
    const timeoutMs =
      o.timeout === undefined ? -1 : Math.max(1, Math.round(parseDuration("timeout", o.timeout) * 1000));
    const told = this.#prepared.answers?.apply({ ...spec, process: altered });
    const notify = told && { notify: told.notify };
    return compileExec(
      told?.spec ?? { ...spec, process: altered },
      facts,
      { ...job, timeoutMs, ...where, ...notify },
      this.pid,
    );
  }

  /** Runs a command in the container and waits for its end. */
  async run<E extends Encoding = "utf8">(
    command: readonly string[],
    options: ExecOptions<E> = {},
  ): Promise<RunResult<E>> {
    const began = performance.now();
    const process = await this.spawn(command, options);
    const all = await collected(process, () => process.kill("SIGKILL"), options);
    const wallTime = (performance.now() - began) / 1000;
    return resultOf(command, all, wallTime, this.#prepared);
  }

  /** `` box.$`ls -l ${file}` ``: words are split at blanks of the text, never inside a value. No shell is involved. */
  $(strings: TemplateStringsArray, ...values: readonly (string | number | readonly string[])[]): Promise<RunResult> {
    return this.run(words(strings, values));
  }

  /**
   * Copies a file, a directory with what is in it, or a link of this machine into the container, as cp(1) does with -r:
   * into the destination, if that is a directory, else to that name. Of a source that ends in "/." what is in it is copied.
   * Links are copied as links, and those of the container lead nowhere but in its root. Rejects with InvalidOptionError,
   * CaissonError (not there, not a directory) or StepError.
   */
  async copyIn(source: string, destination: string, options: CopyOptions = {}): Promise<CopyResult> {
    const { copy, inContainer, onHost } = await copying(options);
    return this.#copying((inside) =>
      copy(onHost("source", source), inContainer("destination", inside, destination), options),
    );
  }

  /** The same the other way round: from the container to a path of this machine. */
  async copyOut(source: string, destination: string, options: CopyOptions = {}): Promise<CopyResult> {
    const { copy, inContainer, onHost } = await copying(options);
    return this.#copying((inside) =>
      copy(inContainer("source", inside, source), onHost("destination", destination), options),
    );
  }

  #copying(copy: (inside: Inside) => Promise<CopyResult>): Promise<CopyResult> {
    const runs = () => this.#needRunning();
    return orEnded(runs, () => copy({ pid: this.pid, runs }));
  }

  /** Sends a signal to its first process; to nobody, if that has ended. */
  kill(signal: string | number = "SIGKILL"): void {
    this.#supervisor.kill(checkedSignal(signal));
  }

  /** Kills all that is in it, and resolves when nothing of it is left. */
  async dispose(): Promise<void> {
    this.#supervisor.kill(KILL_EVERYTHING);
    await this.#supervisor.ended();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const copyShape = fields({ archive: flag, followLink: flag });

async function copying(options: CopyOptions) {
  checkShape("options", options, copyShape);
  return { ...(await import("../copy/copy.ts")), ...(await import("../copy/place.ts")) };
}

const NOTHING = [{ kind: "null" }, { kind: "null" }, { kind: "null" }] as const;

/**
 * Makes a container that waits. `await using` disposes of it at the end of the block, and it ends with this runtime,
 * unless it is `detached`: then it lives on, and `openContainer` finds it again by its name.
 */
export async function container(options: ContainerOptions & { readonly detached?: boolean } = {}): Promise<Container> {
  const { detached = false, ...rest } = options;
  const prepared = await claim(await prepare(rest, ["(idle)"]));
  const noted = await withState(prepared, [], true);
  const supervisorGroup = detached ? await homeOfDetached(layout(), launcher().pid) : undefined;
  const job = { ...noted.job, idle: true, ...(supervisorGroup !== undefined && { supervisorGroup }) };
  const whole: Prepared = { ...noted, job };
  const started = await start(whole, NOTHING, { survive: detached });
  const pid = await started.pid;
  if (detached) started.leave();
  const supervisor = {
    kill: started.kill,
    ended() {
      if (detached) started.stay();
      return started.ended;
    },
  };
  return new Container(whole, pid, supervisor, await partsFor(job));
}

/** A running container by its name, whoever started it. */
export function openContainer(name: string): Container {
  const c = runningContainer(name);
  const { noted, started } = c;
  const prepared: Prepared = {
    facts: hostFacts(),
    spec: noted.spec,
    options: {},
    network: { files: [] },
    notApplied: [],
    job: {
      name: noted.name,
      root: { kind: "directory" },
      scratch: "/",
      directories: {},
      existing: [],
      init: false,
      idle: false,
      timeoutMs: -1,
      cgroup: noted.cgroup,
    },
  };
  const supervisor = identityOf(started.supervisor);
  return new Container(prepared, started.pid, {
    kill(signal) {
      if (supervisor && isAlive(supervisor)) signalContainer(c, signal);
    },
    ended: () => untilEnded(c),
  });
}
