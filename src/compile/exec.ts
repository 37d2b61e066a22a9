import type { HostFacts } from "../host/facts.ts";
import { AT_FDCWD, O, P_PID, PR, WEXITED } from "../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import { ANY, type Program, type Slot } from "../program/types.ts";
import { addressOf, buffer, high, low } from "../program/values.ts";
import { enterGroups, openGroups, spawnInGroup, spawnSibling } from "./cgroup.ts";
import { endChild, needBorn } from "./child.ts";
import type { Context } from "./context.ts";
import { limitRights } from "./credentials.ts";
import { closeFrom, FD } from "./descriptors.ts";
import { behindFront } from "./front.ts";
import { finishProcess } from "./init.ts";
import type { Job } from "./job.ts";
import { cloneFlag } from "./namespaces.ts";
import { keepListenerSocket, listenerSockets, takeListener } from "./notify.ts";
import { adjustOwnOom } from "./oom.ts";
import { keepWritersOff } from "./own-file.ts";
import { afterEnd, afterFailure, endRecord, fillRecord, reportStart } from "./report.ts";
import { takeSignalsToPassOn } from "./signals.ts";
import type { Spec } from "./spec.ts";
import { arrangeStdio, type Given, leaveStdio } from "./stdio.ts";
import { endWithLauncher } from "./supervisor.ts";
import { openTerminal, rawMode, restoreMode, takeTerminal, terminalRelays, terminalSockets } from "./terminal.ts";

const SIGKILL = 9;

/** Another process in a running container: `spec.process` is what it is to be, `pid` the container's first process. */
function writeExec(c: Context, s: SectionBuilder, given: Given, pid: number, front?: Slot): void {
  const { program, job } = c;
  const enter = program.section("enter");
  const command = program.section("command");
  const undo = program.section("undo");
  s.onFail = undo;
  const record = endRecord(c);
  const own = (c.spec.linux?.namespaces ?? []).map((n) => n.type);
  // Some only: whoever enters needs the rights of the user namespace that owns them in any case.
  const kinds = own.filter((k) => job.enter === undefined || k === "user" || job.enter.includes(k));
  const namespaces = kinds.reduce((flags, k) => flags | cloneFlag[k], 0);

  if (job.report.to === "library" && !job.report.survive) endWithLauncher(s);
  const stdio = arrangeStdio(c, s, given);
  const signals = takeSignalsToPassOn(s);
  const container = s.get("find the container's first process", "pidfd_open", [pid, 0]);
  const groups = openGroups(s, job.cgroup.groups);
  const ready = program.slot("pipe that closes at exec");
  s.call("make the pipe that closes at exec", "pipe2", [addressOf(ready), O.CLOEXEC]);
  const terminal = job.terminal ? terminalSockets(s) : undefined;
  const entering = spawnInGroup(s, "start the one that enters", enter, groups.born);

  adjustOwnOom(c, enter, ["EACCES"]);
  // It is closed to ptrace before the container can see it: a process inside could take it over otherwise.
  enter.call("be closed to ptrace", "prctl", [PR.SET_DUMPABLE, 0, 0, 0, 0]);
  enterGroups(enter, groups.join);
  enter.call("enter the container's namespaces", "setns", [container, namespaces]);
  if (c.spec.process) limitRights(c, c.spec.process, enter);
  const child = spawnSibling(enter, "start the command as the supervisor's child", command);

  command.call("end when the supervisor does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  command.call("have a session of its own", "setsid", []);
  if (kinds.includes("user")) {
    command.call("become group 0 of the user namespace", "setresgid", [0, 0, 0], { ignore: ["EPERM"] });
    command.call("become user 0 of the user namespace", "setresuid", [0, 0, 0]);
  }
  if (terminal) {
    const root = command.get("open the container's root", "openat", [AT_FDCWD, "/", O.PATH | O.CLOEXEC, 0]);
    openTerminal(c, command, root, high(terminal), false);
  }
  stdio.forEach((fd, n) => {
    if (fd !== undefined && !terminal) command.call(`make it file descriptor ${n}`, "dup3", [fd, n, 0]);
  });
  command.call("keep the supervisor's pipe", "dup3", [high(ready), FD.READY, O.CLOEXEC]);
  if (given.notify) keepListenerSocket(command, false);
  else closeFrom(command, FD.READY + 1);
  finishProcess(kinds.includes("mount") ? c : { ...c, spec: withoutPaths(c.spec) }, command, FD.READY);

  s.call("close the command's end", "close", [high(ready)]);
  if (given.notify) s.call("leave the socket to the command", "close", [FD.NOTIFY]);
  for (const fd of [...groups.join, ...(groups.born ? [groups.born] : [])]) s.call("close a group", "close", [fd]);
  s.call("wait until the command is executed", "read", [low(ready), buffer("one byte", 1), 1]);
  // The command may be executed before the one that made it has noted its number.
  s.call("wait for the one that entered", "waitid", [P_PID, entering, 0, WEXITED, 0], { ignore: ["ECHILD"] });
  // Also one that has ended already: a zombie of ours in its PID namespace would keep the container from ending.
  const pidfd = s.get("find the command", "pidfd_open", [child, 0], ANY);
  s.check("did the command start?");
  needBorn(s, child);
  const master = terminal ? takeTerminal(s, terminal) : undefined;
  const saved = job.terminal?.raw ? rawMode(s) : undefined;
  const relays = master ? terminalRelays(s, master, stdio[0] ?? 0, stdio[1] ?? 1) : undefined;
  if (!relays) for (const fd of stdio) if (fd !== undefined) s.call("leave a stream to the command", "close", [fd]);
  reportStart(c, s, child, front);
  if (front) leaveStdio(s);
  const results = s.supervise("wait for the command", {
    child,
    pidfd,
    signals,
    timeout: job.timeoutMs,
    ...(relays && { relays }),
  });
  if (saved) restoreMode(s, saved);
  fillRecord(c, s, record, results);
  afterEnd(c, s, record, results);
  endChild(undo, "the command", pidfd);
  afterFailure(c, undo, record);
}

/** In the host's mounts the container's own paths mean nothing. */
const withoutPaths = (spec: Spec): Spec => {
  const { landlock: _, ...linux } = spec.linux ?? {};
  return { ...spec, linux };
};

export function compileExec(spec: Spec, facts: HostFacts, job: Job, pid: number): Program {
  const program = new ProgramBuilder(facts.arch);
  // What is read at the end is the container's, which goes on.
  const groups = job.cgroup.groups.map((g) => ({ ...g, reads: [] }));
  const c: Context = { spec, facts, job: { ...job, cgroup: { groups } }, program };
  if (job.report.to !== "library") {
    writeForCommand(c, pid);
    return program.build();
  }
  const main = program.section("launcher");
  const supervisor = program.section("supervisor");
  const streams = launcherPipes(c, main);
  const notify = job.notify ? listenerSockets(main) : undefined;
  main.spawn("start the supervisor", supervisor);
  writeExec(c, supervisor, { streams, ...(notify && { notify }) }, pid);
  if (notify) takeListener(c, main, notify);
  return program.build();
}

function writeForCommand(c: Context, pid: number): void {
  const { report } = c.job;
  const detach = report.to === "command" && report.detach;
  const main = c.program.section(detach ? "front" : "supervisor");
  if (report.to === "command") openOwnFile(main, report.file);
  if (!detach) writeExec(c, main, { streams: [] }, pid);
  else behindFront(c, main, "", (s, front) => writeExec(c, s, { streams: [] }, pid, front));
}

/** The performed file is removed at once, so that nothing is left of it, however this ends. One that is remembered has no such name. */
export function openOwnFile(s: SectionBuilder, file: string): void {
  // The kernel names a process by its file, and that has a name for once.
  s.call("be named caisson", "prctl", [PR.SET_NAME, "caisson", 0, 0, 0]);
  keepWritersOff(s);
  const fd = s.get("open the own file", "openat", [AT_FDCWD, "/proc/self/exe", O.RDONLY, 0]);
  s.call("remove it", "unlinkat", [AT_FDCWD, file, 0], { ignore: ["ENOENT"] });
  s.call("keep it open", "dup3", [fd, FD.CONTROL, 0], { ignore: ["EINVAL"] });
}

export const pipeName = (n: number) => `pipe of stream ${n}`;

/** The launcher makes the pipes, since the JavaScript runtime can open them at /proc/PID/fd. */
export function launcherPipes(c: Context, main: SectionBuilder): (Slot | undefined)[] {
  return c.job.stdio.map((plan, n) => {
    if (plan.kind !== "pipe") return undefined;
    const slot = c.program.slot(pipeName(n));
    main.call(`make the ${pipeName(n)}`, "pipe2", [addressOf(slot), O.CLOEXEC]);
    return slot;
  });
}
