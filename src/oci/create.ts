import { mkdirSync, readlinkSync } from "node:fs";
import { resolve } from "node:path";
import type { Job } from "../compile/job.ts";
import { compileCreate } from "../compile/runtime/create.ts";
import { numbers } from "../compile/runtime/descriptors.ts";
import type { Caller, Lifecycle } from "../compile/runtime/lifecycle.ts";
import type { Process, Spec } from "../compile/spec.ts";
import { closedSources } from "../container/closed-sources.ts";
import { perform, performedFile } from "../container/perform.ts";
import type { Program } from "../program/types.ts";
import { filesForHooks, pidfdReceiver } from "./annotations.ts";
import { type Bundle, readBundle } from "./bundle.ts";
import { afterWords, type Global, ownEnvironment } from "./context.ts";
import { describeFiles } from "./describe.ts";
import { withEnvironment } from "./environment.ts";
import { withKeptFilter } from "./kept/filters.ts";
import { keepForNext } from "./kept/next.ts";
import { debugProgram, warningOf } from "./log.ts";
import { RuntimeError } from "./places.ts";
import { bigintText, plainOf } from "./saved.ts";
import { managerSocket, withNotify } from "./sd-notify.ts";

export type CreateOptions = {
  readonly bundle: string | undefined;
  readonly config: string | undefined;
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
  readonly pidfdSocket?: string | undefined;
  readonly preserve: number;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly mode: Lifecycle["mode"];
  readonly keep: boolean;
  readonly subreaper: boolean;
  /** What is to be taken for the text of the configuration. */
  readonly text?: string;
  /** The program is to be performed more than once: it says this time, and names no file of its own. */
  readonly created?: string;
  /** Kept: by whom, and what the streams are. */
  readonly kept?: Kept;
  /** What a scope of systemd's begins with; default: this process. */
  readonly first?: number;
};

/** What is performed by a launcher rather than by what this process becomes. */
export type Kept = {
  /** By which the launcher tells of it. */
  readonly token: number;
  readonly streams: NonNullable<Lifecycle["streams"]>;
  /** The caller's own idea of whether there is a terminal. */
  readonly terminal: boolean;
};

const INHERIT = { kind: "inherit" } as const;
export const STDIO: Job["stdio"] = [INHERIT, INHERIT, INHERIT];

/** Who may have a console, and who must: an engine without a socket would lose it. */
export function checkConsole(terminal: boolean, socket: string | undefined, detach: boolean): void {
  if (terminal && detach && socket === undefined)
    throw new RuntimeError("--console-socket: process.terminal is true, so somebody must take the terminal");
  if (!terminal && socket !== undefined)
    throw new RuntimeError("--console-socket: of use with process.terminal, which is false");
}

/** The size that the configuration gives; without one it is whoever takes the terminal that says. */
export async function terminalOf(process: Process, attached: boolean): Promise<Pick<Job, "terminal">> {
  if (!process.terminal) return {};
  const { isatty } = await import("node:tty");
  const { height: rows = 0, width: columns = 0 } = process.consoleSize ?? {};
  return { terminal: { raw: attached && isatty(0), rows, columns, plain: attached && !isatty(1) } };
}

export function callerOf(o: Pick<CreateOptions, "pidFile" | "consoleSocket" | "pidfdSocket" | "preserve">): Caller {
  return {
    ...(o.pidFile !== undefined && { pidFile: resolve(o.pidFile) }),
    ...(o.consoleSocket !== undefined && { consoleSocket: resolve(o.consoleSocket) }),
    ...(o.pidfdSocket !== undefined && { pidfdSocket: resolve(o.pidfdSocket) }),
    preserve: o.preserve,
  };
}

/** What waits for events at a number that the caller left free is the engine's of this process. */
function isCallers(fd: number): boolean {
  try {
    return !/^anon_inode:\[(eventpoll|eventfd|timerfd|signalfd)\]$/.test(readlinkSync(`/proc/self/fd/${fd}`));
  } catch {
    return false;
  }
}

function checkPreserved(count: number): void {
  for (let fd = 3; fd < 3 + count; fd++)
    if (!isCallers(fd))
      throw new RuntimeError(
        `--preserve-fds: ${count} are to be handed through, but file descriptor ${fd} is not open`,
      );
}

/** Whom a program tells of its end, and of a failure. */
export function reportOf(g: Global, kept: Kept | undefined, preserve: number, doing: string): Job["report"] {
  if (kept) return { to: "library", token: kept.token, survive: true };
  const n = numbers(preserve);
  return {
    to: "runtime",
    after: afterWords(g, { record: n.end, own: n.own, said: n.said }, doing),
    fd: n.end,
  };
}

/** Checks everything, and compiles the program. Nothing but parents of control groups is made. */
export async function prepareCreate(
  g: Global,
  id: string | undefined,
  o: CreateOptions,
): Promise<{ readonly program: Program; readonly file: string; readonly bundle: Bundle }> {
  checkPreserved(o.preserve);
  const attached = o.mode === "attached";
  const read = await readBundle(g, id, o, (s) => {
    if (!o.kept) checkConsole(s.process?.terminal === true, o.consoleSocket, !attached);
  });
  const { directory, bundle, spec, groups, saved, facts } = read;
  const command: Process = {
    ...withListeners(withEnvironment(spec.process as Process, spec)),
    ...(o.kept && { terminal: o.kept.terminal }),
  };
  const notify = o.kept ? undefined : managerSocket();
  const given = notify === undefined ? { spec, command } : withNotify(spec, command, notify, directory);
  const lifecycle: Lifecycle = {
    id: id as string,
    bundle,
    directory,
    state: JSON.stringify(saved, bigintText),
    annotations: spec.annotations ?? {},
    ociVersion: spec.ociVersion,
    mode: o.mode,
    keep: o.keep,
    subreaper: o.subreaper,
    caller: callerOf({ ...o, pidfdSocket: o.pidfdSocket ?? pidfdReceiver(spec) }),
    hooks: {
      environment: o.created === undefined ? environmentForHooks(spec) : "inherited",
      files: filesForHooks(bundle, spec),
    },
    warning: (message) => warningOf(g.log, message, o.created),
    ...(o.kept && { streams: o.kept.streams }),
    ...(notify === undefined ? plainOf(o.mode, facts, saved, groups, directory) : { notify }),
  };
  const file = performedFile();
  const doing = `${o.mode === "create" ? "create" : "run"} ${id}`;
  const job: Job = {
    name: id as string,
    root: { kind: "directory" },
    scratch: g.root,
    ...describeFiles(given.spec),
    closed: closedSources(given.spec, facts),
    stdio: STDIO,
    ...(await terminalOf(command, attached)),
    ...{ init: false, idle: false, timeoutMs: -1 },
    ...(spec.linux?.netDevices && { netDevices: (await import("./net-devices.ts")).findDevices(spec) }),
    noPivot: o.noPivot,
    sharedKeyring: o.noNewKeyring,
    cgroup: groups.plan,
    report: reportOf(g, o.kept, o.preserve, doing),
  };
  const own = { ...given.spec, process: given.command };
  const program = withKeptFilter(own, facts, () =>
    compileCreate(own, facts, job, o.created === undefined ? file : undefined, lifecycle),
  );
  debugProgram(g.log, doing, program);
  return { program, file, bundle: read };
}

/** Only where it is of use: it is a part of the program. */
const environmentForHooks = ({ hooks }: Spec): string[] =>
  Object.values(hooks ?? {}).some((list) => list?.some((h) => h.env === undefined))
    ? Object.entries(ownEnvironment()).map(([name, value]) => `${name}=${value}`)
    : [];

export async function create(g: Global, id: string | undefined, o: CreateOptions): Promise<number> {
  const { program, file, bundle } = await prepareCreate(g, id, o);
  mkdirSync(g.root, { recursive: true, mode: 0o711 });
  await keepForNext(g, o, bundle);
  process.chdir(bundle.bundle);
  return perform(program, file, o.preserve);
}

/** Sockets that a service manager hands over: sd_listen_fds(3). In the container it is the first process that gets them. */
function withListeners(command: Process): Process {
  const count = process.env["LISTEN_FDS"];
  if (!count) return command;
  return { ...command, env: [...(command.env ?? []), `LISTEN_FDS=${count}`, "LISTEN_PID=1"] };
}
