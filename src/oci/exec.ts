import { join } from "node:path";
import { isDirectory, readOptional } from "../cgroups/files.ts";
import type { Layout } from "../cgroups/layout.ts";
import type { CgroupPlan, Job } from "../compile/job.ts";
import { compileRuntimeExec } from "../compile/runtime/exec.ts";
import type { Lifecycle } from "../compile/runtime/lifecycle.ts";
import type { CapabilitySets, Process, Spec, User } from "../compile/spec.ts";
import { perform, performedFile } from "../container/perform.ts";
import { hostFacts, parseOwnGroups } from "../host/facts.ts";
import type { Program } from "../program/types.ts";
import { grantable, type Say, withoutUnknown } from "./capabilities.ts";
import { parseJson, parseProcess, readText } from "./config.ts";
import type { Global } from "./context.ts";
import { callerOf, checkConsole, type Kept, reportOf, STDIO, terminalOf } from "./create.ts";
import { withEnvironment } from "./environment.ts";
import { engineLayout } from "./groups.ts";
import { debugProgram, warn, warningOf } from "./log.ts";
import { RuntimeError } from "./places.ts";
import { type Container, load, running, statusOf, wrongStatus } from "./state.ts";

export type ExecOptions = {
  readonly process: string | undefined;
  readonly cwd: string | undefined;
  readonly env: readonly string[];
  readonly tty: boolean;
  readonly user: string | undefined;
  readonly additionalGids: readonly string[];
  readonly cap: readonly string[];
  readonly noNewPrivileges: boolean | undefined;
  readonly apparmor: string | undefined;
  readonly label: string | undefined;
  readonly cgroup: readonly string[];
  readonly pidFile: string | undefined;
  readonly consoleSocket: string | undefined;
  readonly detach: boolean;
  readonly preserve: number;
  readonly ignorePaused: boolean;
};

function idOf(field: string, text: string): number {
  if (!/^\d+$/.test(text)) throw new RuntimeError(`${field}: ${JSON.stringify(text)} is not a number`);
  return Number(text);
}

function userOf(o: ExecOptions, own: User): User {
  if (o.user === undefined && o.additionalGids.length === 0) return own;
  const [uid, gid] = (o.user ?? "").split(":");
  return {
    ...own,
    ...(uid && { uid: idOf("--user", uid), gid: gid ? idOf("--user", gid) : own.gid }),
    ...(o.additionalGids.length && { additionalGids: o.additionalGids.map((t) => idOf("--additional-gids", t)) }),
  };
}

/** Capabilities that are given besides, in the sets that a command keeps them in. */
function withCapabilities(sets: CapabilitySets | undefined, extra: readonly string[]): CapabilitySets {
  const names = extra.map((given) => given.toUpperCase().replace(/^(?!CAP_)/, "CAP_"));
  const add = (list: readonly string[] = []) => [...new Set([...list, ...names])];
  return names.length === 0
    ? (sets ?? {})
    : { ...sets, bounding: add(sets?.bounding), effective: add(sets?.effective), permitted: add(sets?.permitted) };
}

/** The process file as it is, or the container's own process with what the options change. */
function processOf(c: Container, o: ExecOptions, command: readonly string[], say: Say): Process {
  if (o.process !== undefined) {
    const given = parseProcess(parseJson(readText(o.process), o.process), say);
    return o.tty ? { ...given, terminal: true } : given;
  }
  if (o.cwd !== undefined && !o.cwd.startsWith("/"))
    throw new RuntimeError(`--cwd: ${JSON.stringify(o.cwd)} is not an absolute path`);
  if (command.length === 0) throw new RuntimeError("COMMAND: required, but missing");
  const own = c.saved.spec.process as Process;
  const process = {
    ...own,
    args: command,
    terminal: o.tty,
    cwd: o.cwd ?? own.cwd,
    env: [...(own.env ?? []), ...o.env],
    user: userOf(o, own.user),
    capabilities: withCapabilities(own.capabilities, o.cap),
    ...(o.noNewPrivileges !== undefined && { noNewPrivileges: o.noNewPrivileges }),
    ...(o.apparmor !== undefined && { apparmorProfile: o.apparmor }),
    ...(o.label !== undefined && { selinuxLabel: o.label }),
  };
  return withoutUnknown(process, say);
}

/** "PATH" is for all hierarchies, "cpu,memory:PATH" for those of these controllers. */
function belowFor(layout: Layout, directory: string, given: readonly string[]): string | undefined {
  for (const words of given) {
    const [, names, path] = /^(?:([\w=,]*):)?(.*)$/.exec(words) ?? [];
    if (names === undefined) return path;
    const tops = names.split(",").map((name) => {
      const top = name === "" ? layout.v2?.point : layout.v1[name];
      if (top === undefined) throw new RuntimeError(`--cgroup: ${JSON.stringify(name)} is not a controller of v1 here`);
      return top;
    });
    if (tops.some((top) => directory.startsWith(`${top}/`))) return path;
  }
  return undefined;
}

/**
 * The groups that the process is to enter. A container that has made groups of its own on v2 takes no process in its
 * top one: there it is the first process's.
 */
function groupsOf(c: Container, pid: number, below: readonly string[]): CgroupPlan {
  const layout = engineLayout(hostFacts());
  const top = layout.v2 && layout.v2.point;
  const groups = c.saved.cgroup.directories.filter(isDirectory).map((d) => {
    const unified = top !== undefined && d.startsWith(`${top}/`);
    const wanted = belowFor(layout, d, below);
    if (wanted !== undefined) return { path: join(d, wanted), unified };
    const full = unified && readOptional(`${d}/cgroup.subtree_control`)?.trim();
    if (!full) return { path: d, unified };
    return { path: `${top}${parseOwnGroups(readOptional(`/proc/${pid}/cgroup`) ?? "")[""] ?? ""}`, unified };
  });
  return {
    groups: groups.map((g) => ({ ...g, parents: [], prepare: [], writes: [], reads: [], existing: true })),
  };
}

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
  return perform(program, file, o.preserve);
}

type How = Pick<ExecOptions, "pidFile" | "consoleSocket" | "preserve" | "detach" | "cgroup" | "ignorePaused">;

/** Checks that it may be, and compiles the program. */
export async function prepareExec(
  g: Global,
  c: Container,
  process: Process,
  o: How,
  kept?: Kept,
): Promise<{ readonly program: Program; readonly file: string }> {
  const allowed = ["created", "running"] as const;
  if (!o.ignorePaused && statusOf(c) === "paused")
    throw wrongStatus(c, "cannot exec in a paused container (use --ignore-paused to override)");
  const init = o.ignorePaused ? running(c, ...allowed, "paused") : running(c, ...allowed);
  const own = revive(c.saved.spec);
  const facts = hostFacts();
  const granted = grantable(process, own, facts, (message) => warn(g.log, message));
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
    warning: (message) => warningOf(g.log, message),
    ...(kept && { streams: kept.streams }),
  };
  const program = compileRuntimeExec(spec, facts, job, file, lifecycle, init.pid);
  debugProgram(g.log, doing, program);
  return { program, file };
}
