import type { Job } from "../compile/job.ts";
import { compileRuntimeExec } from "../compile/runtime/exec.ts";
import type { Lifecycle } from "../compile/runtime/lifecycle.ts";
import type { Process, Spec } from "../compile/spec.ts";
import { perform, performedFile } from "../container/perform.ts";
import { hostFacts } from "../host/facts.ts";
import type { Program } from "../program/types.ts";
import { isToBeKept } from "../remember/seen.ts";
import { grantable } from "./capabilities.ts";
import type { Global } from "./context.ts";
import { callerOf, checkConsole, type Kept, reportOf, STDIO, terminalOf } from "./create.ts";
import { withEnvironment } from "./environment.ts";
import { groupsOf } from "./exec-groups.ts";
import { type ExecOptions, processOf } from "./exec-process.ts";
import { withKeptFilter } from "./kept/filters.ts";
import { checksOfLine, initOf, isLastingExec, noteOf } from "./kept/lasting.ts";
import { debugProgram, warn, warningOf } from "./log.ts";
import { type Container, firstProcess, load, statusOf, wrongStatus } from "./state.ts";

/** Numbers beyond JavaScript's are written down as text. */
function revive(spec: Spec): Spec {
  return JSON.parse(JSON.stringify(spec), (_, value: unknown) =>
    typeof value === "string" && /^exact:\d+$/.test(value) ? BigInt(value.slice("exact:".length)) : value,
  ) as Spec;
}

export async function exec(
  g: Global,
  id: string | undefined,
  command: readonly string[],
  o: ExecOptions,
): Promise<number> {
  const c = load(g.root, id);
  const process = processOf(c, o, command, (message) => warn(g.log, message));
  checkConsole(process.terminal === true, o.consoleSocket, o.detach);
  const { program, file } = await prepareExec(g, c, process, o);
  const checks = isLastingExec(g, c, process, o) ? checksOfLine(g) : undefined;
  if (checks !== undefined && isToBeKept(checks, noteOf(initOf(c), g.words)))
    await (await import("./kept/exec.ts")).keepExec(g, c, command, o, checks);
  return perform(program, file, o.preserve);
}

/**
 * What a process has of the container's own where nothing is said of it, as for runc: else its score would be the engine's, which nothing is
 * to kill for want of memory.
 */
function inherited({ process }: Spec): Pick<Process, "capabilities" | "oomScoreAdj"> {
  const { capabilities = {}, oomScoreAdj } = process ?? {};
  return { capabilities, ...(oomScoreAdj !== undefined && { oomScoreAdj }) };
}

export type How = Pick<
  ExecOptions,
  "pidFile" | "consoleSocket" | "pidfdSocket" | "preserve" | "detach" | "cgroup" | "ignorePaused"
> & {
  /** The program is to be performed more than once: it names no file of its own. */
  readonly again?: boolean;
};

/** Checks that it may be, and compiles the program. */
export async function prepareExec(
  g: Global,
  c: Container,
  process: Process,
  o: How,
  kept?: Kept,
): Promise<{ readonly program: Program; readonly file: string }> {
  const status = statusOf(c);
  if (status === "paused" && !o.ignorePaused)
    throw wrongStatus(c, "cannot exec in a paused container (use --ignore-paused to override)");
  const init = firstProcess(c, status, ["created", "running", "paused"]);
  const own = revive(c.saved.spec);
  const facts = hostFacts();
  const granted = grantable({ ...inherited(own), ...process }, own, facts, (message) => warn(g.log, message));
  const spec: Spec = { ...own, process: withEnvironment(granted, own) };
  const file = performedFile();
  const doing = `exec in ${c.saved.id}`;
  const job: Job = {
    name: c.saved.id,
    root: { kind: "directory" },
    scratch: "/",
    ...{ directories: {}, existing: [] },
    stdio: STDIO,
    ...(await terminalOf(process, !o.detach && !kept)),
    ...{ init: false, idle: false, timeoutMs: -1 },
    cgroup: groupsOf(c, init.pid, o.cgroup),
    report: reportOf(g, kept, o.preserve, doing),
  };
  const lifecycle: Lifecycle = {
    id: c.saved.id,
    bundle: c.saved.bundle,
    directory: c.directory,
    state: "",
    annotations: c.saved.spec.annotations ?? {},
    ociVersion: c.saved.ociVersion,
    mode: kept ? "kept" : o.detach ? "detached" : "attached",
    keep: true,
    subreaper: false,
    caller: callerOf(o),
    hooks: { environment: [], files: [] },
    warning: (message) => warningOf(g.log, message),
    ...(kept && { streams: kept.streams }),
  };
  const program = withKeptFilter(spec, facts, () =>
    compileRuntimeExec(spec, facts, job, o.again ? undefined : file, lifecycle, init.pid),
  );
  debugProgram(g.log, doing, program);
  return { program, file };
}
