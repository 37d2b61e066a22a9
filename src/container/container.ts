import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { compile } from "../compile/compile.ts";
import { compileExec } from "../compile/exec.ts";
import type { Job } from "../compile/job.ts";
import { KILL_EVERYTHING, signalNumber } from "../kernel/signals.ts";
import { explainText } from "../program/explain.ts";
import { launcher } from "../program/launcher.ts";
import type { Program } from "../program/types.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseDuration } from "../values/units.ts";
import { notedState } from "./noted.ts";
import type { ContainerOptions } from "./options.ts";
import { PIPES, type Prepared, prepare } from "./prepare.ts";
import type { Ending } from "./record.ts";
import { abortWith, collect, feed, outputs, type RunOptions, type RunResult, resultOf } from "./run.ts";
import { type Started, start, startProgram } from "./start.ts";
import { resolveUser } from "./users.ts";

export type ExecOptions = Pick<
  RunOptions,
  "input" | "stdout" | "stderr" | "signal" | "env" | "workdir" | "user" | "timeout"
>;

/** A process that runs in a container: streams with the kernel's back-pressure, and its end. */
export class ContainerProcess {
  readonly command: readonly string[];
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Resolves when it has ended; rejects if it could not start. */
  readonly ended: Promise<Ending>;
  readonly #started: Started;

  constructor(command: readonly string[], started: Started) {
    this.command = command;
    this.#started = started;
    this.stdin = started.stdin;
    this.stdout = started.stdout;
    this.stderr = started.stderr;
    this.ended = started.ended;
  }

  /** Sends a signal, by name or number; SIGKILL ends it for certain. */
  kill(signal: string | number = "SIGTERM"): void {
    this.#started.kill(checkedSignal(signal));
  }

  /** Standard output line by line, as it comes. */
  async *lines(): AsyncGenerator<string> {
    if (!this.stdout) return;
    yield* createInterface({ input: this.stdout, crlfDelay: Number.POSITIVE_INFINITY });
  }
}

const SIGKILL = 9;
function checkedSignal(signal: string | number): number {
  const n = signalNumber(signal);
  if (n === undefined) throw new InvalidOptionError("signal", signal, 'a signal such as "SIGTERM" or 15');
  return n === SIGKILL ? KILL_EVERYTHING : n;
}

/** A container kept alive with no command of its own; commands are run in it with `run`, `spawn` and `$`. */
export class Container {
  readonly name: string;
  readonly pid: number;
  readonly #prepared: Prepared;
  readonly #started: Started;

  constructor(prepared: Prepared, started: Started, pid: number) {
    this.name = prepared.job.name;
    this.pid = pid;
    this.#prepared = prepared;
    this.#started = started;
  }

  /** The program that made it, as text. */
  plan(): string {
    const report = { to: "library", token: 0, survive: false } as const;
    return explainText(
      compile(this.#prepared.spec, this.#prepared.facts, { ...this.#prepared.job, stdio: NOTHING, report }),
    );
  }

  async spawn(command: readonly string[], options: ExecOptions = {}): Promise<ContainerProcess> {
    const { input, stdout = "pipe", stderr = "pipe", signal } = options;
    if (command.length === 0) throw new InvalidOptionError("command", "", "a command with at least one word");
    const l = launcher();
    const token = l.token();
    const stdio = [
      input === undefined ? { kind: "null" as const } : PIPES[0],
      outputs[stdout],
      outputs[stderr],
    ] as const;
    const program = this.#exec(command, options, { stdio, report: { to: "library", token, survive: false } });
    const started = await startProgram(l, program, token, stdio, []);
    feed(started.stdin, input);
    const stop = abortWith(signal, started);
    started.ended.then(stop, stop);
    return new ContainerProcess(command, started);
  }

  #exec(command: readonly string[], o: ExecOptions, where: Pick<Job, "stdio" | "report">): Program {
    const { spec, facts, job } = this.#prepared;
    const { process } = spec;
    if (!process) throw new TypeError("a container without a process");
    const user = o.user === undefined ? undefined : resolveUser(spec.root?.path ?? "/", o.user);
    const own = Object.entries(o.env ?? {}).map(([k, v]) => `${k}=${v}`);
    const names = new Set(Object.keys(o.env ?? {}));
    const env = [...(process.env ?? []).filter((e) => !names.has(e.slice(0, e.indexOf("=")))), ...own];
    const altered = { ...process, args: command, env, cwd: o.workdir ?? process.cwd, ...(user && { user: user.ids }) };
    const timeoutMs =
      o.timeout === undefined ? -1 : Math.max(1, Math.round(parseDuration("timeout", o.timeout) * 1000));
    return compileExec({ ...spec, process: altered }, facts, { ...job, timeoutMs, ...where }, this.pid);
  }

  /** Runs a command in the container and waits for its end. */
  async run(command: readonly string[], options: ExecOptions = {}): Promise<RunResult> {
    const began = performance.now();
    const process = await this.spawn(command, options);
    const texts = Promise.all([collect(process.stdout), collect(process.stderr)]);
    texts.catch(() => {});
    const ending = await process.ended;
    options.signal?.throwIfAborted();
    const wallTime = (performance.now() - began) / 1000;
    return resultOf(command, ending, wallTime, await texts, this.#prepared.notApplied);
  }

  /** `` box.$`ls -l ${file}` ``: words are split at blanks of the text, never inside a value. No shell is involved. */
  $(strings: TemplateStringsArray, ...values: readonly (string | number | readonly string[])[]): Promise<RunResult> {
    return this.run(words(strings, values));
  }

  /** Sends a signal to its first process. */
  kill(signal: string | number = "SIGKILL"): void {
    this.#started.kill(checkedSignal(signal));
  }

  /** Kills all that is in it, and resolves when nothing of it is left. */
  async dispose(): Promise<void> {
    this.#started.kill(KILL_EVERYTHING);
    await this.#started.ended;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** The words of a template: a value is one word, or joins the text it touches; an array is as many words as it has. */
export function words(strings: readonly string[], values: readonly (string | number | readonly string[])[]): string[] {
  const list: string[] = [];
  let word: string | undefined;
  const end = () => {
    if (word !== undefined) list.push(word);
    word = undefined;
  };
  strings.forEach((text, i) => {
    text.split(/(\s+)/).forEach((part) => {
      if (/^\s+$/.test(part)) end();
      else if (part) word = (word ?? "") + part;
    });
    const value = values[i];
    if (value === undefined) return;
    if (Array.isArray(value)) {
      value.forEach((v: string, k) => {
        if (k > 0) end();
        word = (word ?? "") + v;
      });
    } else word = (word ?? "") + String(value);
  });
  end();
  return list;
}

const NOTHING = [{ kind: "null" }, { kind: "null" }, { kind: "null" }] as const;

/** Makes a container that waits. `await using` disposes of it at the end of the block. */
export async function container(options: ContainerOptions = {}): Promise<Container> {
  const prepared = prepare(options, ["(idle)"]);
  const state = notedState(prepared, [], { remove: true });
  const withState: Prepared = { ...prepared, job: { ...prepared.job, idle: true, state } };
  const started = await start(withState, NOTHING);
  return new Container(withState, started, await started.pid);
}
