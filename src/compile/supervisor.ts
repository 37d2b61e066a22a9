import { AT_FDCWD, O, PR } from "../kernel/flags.ts";
import { KILL_EVERYTHING } from "../kernel/signals.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, buffer, high, low } from "../program/values.ts";
import { leaveBeside } from "./beside.ts";
import { bear, endBorn, leftToEnter } from "./birth.ts";
import { endRest, makeGroups, removeGroups } from "./cgroup.ts";
import { statusPath } from "./child.ts";
import { type Context, isNew, writeText } from "./context.ts";
import { raiseHardLimits } from "./credentials.ts";
import { FD } from "./descriptors.ts";
import { writeInit, writePayload } from "./init.ts";
import { isLeftToCommand } from "./job.ts";
import { needsEntering } from "./namespaces.ts";
import { assembleOutside, leaveOpened, openOutside } from "./outside.ts";
import { afterEnd, afterFailure, endRecord, fillRecord, reportStart } from "./report.ts";
import { takeSignalsToPassOn } from "./signals.ts";
import { keepState, noteEnd, noteStart, removeState, takeName } from "./state.ts";
import { arrangeStdio, type Given, leaveStdio } from "./stdio.ts";
import { rawMode, restoreMode, takeTerminal, terminalRelays, terminalSockets } from "./terminal.ts";
import { writeIdMaps } from "./users.ts";

const ESRCH = 3;
/** When the launcher ends, its containers end. It may have ended before this was said: then 1 is the parent. */
export function endWithLauncher(s: SectionBuilder): void {
  s.call("end when the launcher does", "prctl", [PR.SET_PDEATHSIG, KILL_EVERYTHING, 0, 0, 0]);
  const parent = s.get("ask for the parent", "getppid", []);
  s.skipIf(parent, "!=", 1, () => s.fail("see whether the launcher is still there", ESRCH));
}

function giveUpClaims(c: Context, s: SectionBuilder): void {
  for (const path of c.job.claims ?? [])
    s.call("give up what was its alone", "unlinkat", [AT_FDCWD, path, 0], { ignore: "all" });
}

/**
 * The supervisor stays in the host's namespaces, but while it makes one for the container (beside.ts). It makes what that needs
 * there, starts it, waits, and undoes all it made: at the end, and the same after a step has failed.
 */
export function writeSupervisor(c: Context, s: SectionBuilder, given: Given, front?: Slot): void {
  const { program, job } = c;
  const enter = needsEntering(c.spec) ? program.section("enter") : s;
  const init = program.section("container");
  const payload = job.init ? program.section("command") : undefined;
  const undo = program.section("undo");
  s.onFail = undo;
  const record = endRecord(c);
  // Processes of a PID namespace end with its first; others are held together by their group alone.
  const outlives = !isNew(c.spec, "pid") || job.cgroup.delegated === true;

  if (job.report.to === "library" && !job.report.survive) endWithLauncher(s);
  // What a terminal sends is for commands: a container that waits is its maker's to end.
  if (job.report.to === "library" && job.idle) s.call("leave the caller's session", "setsid", []);
  const taken = takeName(c, s);
  const stdio = arrangeStdio(c, s, given);
  const signals = takeSignalsToPassOn(s);
  const kept = keepState(c, s, taken);
  const groups = makeGroups(c, s);
  const ready = program.slot("pipe that closes at exec");
  s.call("make the pipe that closes at exec", "pipe2", [addressOf(ready), O.CLOEXEC]);
  const mapped = isNew(c.spec, "user") ? program.slot("pipe of the id maps") : undefined;
  if (mapped) s.call("make the pipe of the id maps", "pipe2", [addressOf(mapped), O.CLOEXEC]);
  const linked = job.network ? program.slot("pipe of the network") : undefined;
  if (linked) s.call("make the pipe of the network", "pipe2", [addressOf(linked), O.CLOEXEC]);
  const begun = program.slot("the network's begin");
  const terminal = job.terminal ? terminalSockets(s) : undefined;
  const assembled = job.mapRoot ? assembleOutside(c, s) : undefined;
  const opened = isNew(c.spec, "user") ? openOutside(c, s) : undefined;
  const born = bear(c, s, { enter: () => enter, init }, groups);
  const { pid, pidfd, beside } = born;
  writeInit(c, init, payload, {
    groups: leftToEnter(c, groups),
    leaf: groups.leaf,
    ready,
    mapped,
    linked,
    assembled,
    ...(opened && { opened }),
    ...(beside && { beside }),
    terminal,
    stdio,
    warm: given.warm !== undefined,
    notify: given.notify !== undefined,
  });
  if (payload) writePayload(c, payload);

  s.call("close the container's end", "close", [high(ready)]);
  if (mapped) {
    s.call("close the container's end", "close", [low(mapped)]);
    writeIdMaps(c, s, pid);
    raiseHardLimits(c, s, pid);
    writeText(s, "say that ids are mapped", high(mapped), "!");
    s.call("close the pipe of the id maps", "close", [high(mapped)]);
  }
  if (assembled) s.call("leave a mount to the container", "close", [assembled]);
  if (opened) leaveOpened(opened, s);
  if (linked) {
    s.call("close the container's end", "close", [low(linked)]);
    c.parts?.network?.connectNetwork(c, s, pid, begun);
    writeText(s, "say that the network is there", high(linked), "!");
    s.call("close the pipe of the network", "close", [high(linked)]);
  }
  for (const fd of [...groups.join, ...(groups.leaf ? [groups.leaf] : [])]) s.call("close cgroup.procs", "close", [fd]);
  if (groups.born) s.call("close the control group", "close", [groups.born]);
  if (given.notify) s.call("leave the socket to the container", "close", [FD.NOTIFY]);
  if (given.warm)
    for (const fd of [FD.WAITING, FD.WAITING + 1]) s.call("leave the pipes to the container", "close", [fd]);
  s.call("wait until the command is executed", "read", [low(ready), buffer("one byte", 1), 1]);
  s.call("close the pipe", "close", [low(ready)]);
  s.check("did the container start?");
  if (beside) leaveBeside(s, beside);
  const master = terminal ? takeTerminal(s, terminal) : undefined;
  const saved = job.terminal?.raw ? rawMode(s) : undefined;
  const [input, output] = [stdio[0] ?? 0, stdio[1] ?? 1];
  const relays = master ? terminalRelays(s, master, front ? undefined : input, output) : undefined;
  if (!relays) for (const fd of stdio) if (fd !== undefined) s.call("leave a stream to the container", "close", [fd]);
  const status = isNew(c.spec, "pid") ? statusPath(s, pid) : undefined;
  noteStart(c, s, pid);
  reportStart(c, s, pid, front);
  if (front) leaveStdio(s);
  const timeout = job.timeoutMs;
  const results = s.supervise("wait for the container", {
    child: pid,
    pidfd,
    signals,
    timeout,
    ...(relays && { relays }),
    ...(status && { status }),
  });
  if (saved) restoreMode(s, saved);
  fillRecord(c, s, record, results);
  noteEnd(c, s, record.block, kept);
  if (outlives) endRest(s, job.cgroup);
  c.parts?.network?.disconnectNetwork(c, s, begun);
  giveUpClaims(c, s);
  removeGroups(s, groups.made, job.cgroup.delegated);
  if (job.state?.remove && !isLeftToCommand(job)) removeState(c, s, kept);
  afterEnd(c, s, record, results, kept?.lock);

  // The container's first process is killed and reaped before its control groups are removed.
  endBorn(undo, born);
  if (saved) restoreMode(undo, saved);
  if (outlives) endRest(undo, job.cgroup);
  c.parts?.network?.disconnectNetwork(c, undo, begun);
  giveUpClaims(c, undo);
  removeGroups(undo, groups.made);
  removeState(c, undo, kept, true);
  afterFailure(c, undo, record, kept);
}
