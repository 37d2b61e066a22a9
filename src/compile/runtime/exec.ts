import type { HostFacts } from "../../host/facts.ts";
import { AT_FDCWD, CLONE, O, P_PID, PR, RESOLVE, WEXITED } from "../../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../../program/builder.ts";
import { ANY, type Program, type Slot } from "../../program/types.ts";
import { addressOf, buffer, high, low } from "../../program/values.ts";
import { enterGroups, openGroups, spawnInGroup, spawnSibling } from "../cgroup.ts";
import { endChild, needBorn } from "../child.ts";
import { type Context, openHow } from "../context.ts";
import { limitRights } from "../credentials.ts";
import { execute } from "../init.ts";
import type { Job } from "../job.ts";
import { cloneFlag } from "../namespaces.ts";
import { adjustOwnOom } from "../oom.ts";
import { resetAffinity, setAffinity, setPersonality } from "../process.ts";
import { afterFailure, endRecord } from "../report.ts";
import { notifies } from "../seccomp.ts";
import { ignoreBrokenPipes, resetSignals, takeSignalsToPassOn } from "../signals.ts";
import type { Process, Spec } from "../spec.ts";
import {
  leaveLinesAlone,
  openTerminal,
  rawMode,
  restoreMode,
  takeTerminal,
  terminalRelays,
  terminalSockets,
} from "../terminal.ts";
import { becomeReady } from "./become.ts";
import { leaveOnlyPreserved, type Numbers, numbers, type OwnFile } from "./descriptors.ts";
import { begin, keep, runtimeSection } from "./keeper.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { handListener } from "./listener.ts";
import { connectForPidfd, sendPidfd } from "./pidfd-socket.ts";
import { connect } from "./sockets.ts";
import { writePidFile } from "./state.ts";

const SIGKILL = 9;

/**
 * The working directory may be closed to the command: it is born there, by who has the rights yet and is in no PID namespace
 * of the container's. No path through a descriptor of ours leads there (CVE-2024-21626): that is no ordinary link.
 */
function goToWorkdir(enter: SectionBuilder, cwd: string): Slot {
  const how = openHow(O.PATH | O.DIRECTORY, RESOLVE.NO_MAGICLINKS);
  const fd = enter.get(`look for ${cwd}`, "openat2", [AT_FDCWD, cwd, how, how.bytes.length], ANY);
  enter.skipIf(fd, "<", 0, () => {
    enter.call(`go to ${cwd}`, "fchdir", [fd]);
    enter.call(`close ${cwd}`, "close", [fd]);
  });
  return fd;
}

/** In the container: the other process, from its birth to its command. */
function writeCommand(
  c: Context,
  s: SectionBuilder,
  process: Process,
  n: Numbers,
  p: { ready: Slot; settled: Slot; console: ReturnType<typeof high> | Slot | undefined; entered: Slot | undefined },
): void {
  s.call("end when the runtime does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  s.call("have a session of its own", "setsid", [], { ignore: ["EPERM"] });
  if (c.spec.linux?.namespaces?.some((ns) => ns.type === "user")) {
    s.call("become group 0 of the user namespace", "setresgid", [0, 0, 0], { ignore: ["EPERM"] });
    s.call("become user 0 of the user namespace", "setresuid", [0, 0, 0]);
  }
  if (p.console) {
    const root = s.get("open the container's root", "openat", [AT_FDCWD, "/", O.PATH | O.CLOEXEC, 0]);
    openTerminal(c, s, root, p.console, false);
  }
  for (const [fd, number] of [
    [high(p.ready), n.ready],
    [low(p.settled), n.settled],
  ] as const)
    s.call(`keep it as ${number}`, "dup3", [fd, number, O.CLOEXEC]);
  leaveOnlyPreserved(s, n);
  s.call("close the rest", "close_range", [n.go, 0xffffffff, 0]);
  s.call("close the performed file", "close", [n.own]);
  setPersonality(c.spec, s);
  const { initial, final } = process.execCPUAffinity ?? {};
  if (initial === undefined && final === undefined) resetAffinity(s);
  setAffinity(s, final);
  becomeReady(c, s, process, n, p.entered);
  const told = s.get("wait until its pid is written down", "read", [n.settled, buffer("one byte", 1), 1]);
  s.skipIf(told, "==", 1, () => s.exit(0));
  s.call("live on when the runtime ends", "prctl", [PR.SET_PDEATHSIG, 0, 0, 0, 0]);
  execute(c, process, s, notifies(c.spec.linux?.seccomp));
}

function writeRuntime(c: Context, s: SectionBuilder, file: OwnFile, l: Lifecycle, process: Process, pid: number): void {
  const { program, job } = c;
  const n = numbers(l.caller.preserve);
  const [enter, command, undo] = [program.section("enter"), program.section("command"), program.section("undo")];
  s.onFail = undo;
  const attached = l.mode === "attached";
  const record = endRecord(c);
  const flags = (c.spec.linux?.namespaces ?? []).reduce((bits, ns) => bits | cloneFlag[ns.type], 0);

  const streams = begin(c, s, file, l, n);
  const signals = attached ? takeSignalsToPassOn(s) : undefined;
  const container = s.get("find the container's first process", "pidfd_open", [pid, 0]);
  const groups = openGroups(s, job.cgroup.groups);
  const pipe = (name: string) => {
    const slot = program.slot(name);
    s.call(`make the ${name}`, "pipe2", [addressOf(slot), O.CLOEXEC]);
    return slot;
  };
  const [ready, settled] = [pipe("pipe of the readiness"), pipe("pipe of the settlement")];
  const given = l.caller.consoleSocket;
  const forPidfd = connectForPidfd(s, l.caller);
  const own = process.terminal && (attached || streams) && given === undefined ? terminalSockets(s) : undefined;
  const socket = given === undefined ? undefined : connect(s, `connect to the console socket ${given}`, given);
  const entering = spawnInGroup(s, "start the one that enters", enter, groups.born);

  adjustOwnOom(c, enter, ["EACCES"]);
  // It is closed to ptrace before the container can see it: a process inside could take it over otherwise.
  enter.call("be closed to ptrace", "prctl", [PR.SET_DUMPABLE, 0, 0, 0, 0]);
  setAffinity(enter, process.execCPUAffinity?.initial);
  enterGroups(enter, groups.join);
  if (flags) enter.call("enter the container's namespaces", "setns", [container, flags]);
  const entered = flags & CLONE.NEWNS && process.cwd !== "/" ? goToWorkdir(enter, process.cwd) : undefined;
  limitRights(c, process, enter);
  const child = spawnSibling(enter, "start the command as the runtime's child", command);
  writeCommand(c, command, process, n, { ready, settled, console: own ? high(own) : socket, entered });

  s.call("close the command's end", "close", [high(ready)]);
  s.call("close the command's end", "close", [low(settled)]);
  s.call("wait for the command", "read", [low(ready), buffer("one byte", 1), 1]);
  // The command may be ready before the one that made it has noted its number.
  s.call("wait for the one that entered", "waitid", [P_PID, entering, 0, WEXITED, 0], { ignore: ["ECHILD"] });
  // Also one that has ended already: a zombie of ours in its PID namespace would keep the container from ending.
  const pidfd = s.get("find the command", "pidfd_open", [child, 0], ANY);
  s.check("is the command ready?");
  needBorn(s, child);
  handListener(c, s, l, process, { pid: child, pidfd, status: "running", ready, settled });
  const master = own ? takeTerminal(s, own) : undefined;
  if (master && job.terminal?.plain) leaveLinesAlone(s, master);
  if (l.caller.pidFile !== undefined) writePidFile(s, l.caller.pidFile, child);
  sendPidfd(s, forPidfd, pidfd, "setns");
  s.call("let the command live on", "write", [high(settled), "!", 1]);
  s.call("wait until it is executed", "read", [low(ready), buffer("one byte", 1), 1]);
  s.check("was the command executed?");
  let saved: ReturnType<typeof rawMode> | undefined;
  if (streams) {
    for (const fd of [container, low(ready), high(settled), ...groups.join, groups.born])
      if (fd) s.call("let go of the container", "close", [fd]);
    keep(c, s, { pid: child, pidfd, record }, { streams, master });
  } else if (attached) {
    saved = job.terminal?.raw ? rawMode(s) : undefined;
    const relays = master ? terminalRelays(s, master, 0, 1) : undefined;
    const results = s.supervise("wait for the command", {
      child,
      pidfd,
      signals: signals as Slot,
      ...(relays && { relays }),
    });
    if (saved) restoreMode(s, saved);
    s.exit(results[0] as Slot);
  } else s.exit(0);

  endChild(undo, "the command", pidfd);
  if (saved) restoreMode(undo, saved);
  ignoreBrokenPipes(undo);
  resetSignals(undo);
  afterFailure(c, undo, record);
}

/** Another process in a container: `spec.process` is what it is to be, `pid` the container's first process. */
export function compileRuntimeExec(
  spec: Spec,
  facts: HostFacts,
  job: Job,
  file: OwnFile,
  l: Lifecycle,
  pid: number,
): Program {
  const program = new ProgramBuilder(facts.arch);
  const c: Context = { spec, facts, job, program };
  if (!spec.process) throw new TypeError("a spec without a process was to be compiled");
  writeRuntime(c, runtimeSection(program, l), file, l, spec.process, pid);
  return program.build();
}
