import type { HostFacts } from "../../host/facts.ts";
import { O, PR } from "../../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../../program/builder.ts";
import type { Program, Slot } from "../../program/types.ts";
import { addressOf, buffer, high, low } from "../../program/values.ts";
import { bear, endBorn, leftToEnter } from "../birth.ts";
import { endRest, makeGroups, removeGroups } from "../cgroup.ts";
import { type Context, isNew, writeText } from "../context.ts";
import { raiseHardLimits } from "../credentials.ts";
import { writeInit } from "../init.ts";
import type { Job } from "../job.ts";
import { leaveOpened, openOutside } from "../outside.ts";
import { afterFailure, endRecord } from "../report.ts";
import { ignoreBrokenPipes, resetSignals, takeSignalsToPassOn } from "../signals.ts";
import type { Process, Spec } from "../spec.ts";
import { leaveLinesAlone, rawMode, restoreMode, takeTerminal, terminalRelays, terminalSockets } from "../terminal.ts";
import { writeIdMaps } from "../users.ts";
import { numbers, type OwnFile } from "./descriptors.ts";
import { writeFailed, writeGate } from "./gate.ts";
import { HOOK_LABEL, hasHooks, openSaid, runHooks } from "./hooks.ts";
import { begin, keep, runtimeSection } from "./keeper.ts";
import { FAILURE_RECORD, type Labels, type Lifecycle } from "./lifecycle.ts";
import { handListener } from "./listener.ts";
import { moveDevices } from "./net-devices.ts";
import { connectForPidfd, sendPidfd } from "./pidfd-socket.ts";
import { listenForReady, passReadiness } from "./sd-notify.ts";
import { connect } from "./sockets.ts";
import { earlyHooks, makePipes, type Opened, stagesOf } from "./stages.ts";
import { noteCreated, openFifo, readFifo, removeRuntimeState, takeId, writePidFile } from "./state.ts";

const SIGKILL = 9;

/** The byte that starts the command, and whether it could be executed: as `start` does it. */
function startNow(s: SectionBuilder, o: Opened): void {
  s.call("start the command", "write", [o.go, "!", 1]);
  s.call("close the FIFO", "close", [o.go]);
}

/** The runtime's own process: it makes what the container needs, bears it, writes it down, and is done. */
function writeRuntime(c: Context, s: SectionBuilder, file: OwnFile, l: Lifecycle, process: Process): void {
  const { program, job } = c;
  const n = numbers(l.caller.preserve);
  const [enter, init] = [program.section("enter"), program.section("container")];
  const [failed, undo] = [program.section("failed"), program.section("undo")];
  s.onFail = undo;
  init.onFail = failed;
  writeFailed(failed, n);
  const attached = l.mode === "attached";
  const record = endRecord(c);

  const streams = begin(c, s, file, l, n);
  if (hasHooks(c.spec)) openSaid(s, n.said);
  const signals = attached ? takeSignalsToPassOn(s) : undefined;
  if (attached && l.subreaper) s.call("be the parent of orphans", "prctl", [PR.SET_CHILD_SUBREAPER, 1, 0, 0, 0]);
  const { made, lock } = takeId(s, l);
  const groups = makeGroups(c, s);
  const p = makePipes(c, s);
  const own =
    (attached || streams) && job.terminal && l.caller.consoleSocket === undefined ? terminalSockets(s) : undefined;
  const given = l.caller.consoleSocket;
  const forPidfd = connectForPidfd(s, l.caller);
  const socket = given === undefined ? undefined : connect(s, `connect to the console socket ${given}`, given);
  const o: Opened = {
    go: openFifo(s, l, "go"),
    done: openFifo(s, l, "done"),
    console: own ? high(own) : socket,
  };
  const mapped = isNew(c.spec, "user") ? program.slot("pipe of the id maps") : undefined;
  if (mapped) s.call("make the pipe of the id maps", "pipe2", [addressOf(mapped), O.CLOEXEC]);
  const opened = openOutside(c, s);
  const born = bear(c, s, { enter: () => enter, init }, groups);
  const { pid, pidfd } = born;

  let from = 0;
  const stages = stagesOf(c, l, n, p, o, (section) => {
    ({ from } = writeGate(c, section, l, process, n));
  });
  writeInit(c, init, undefined, {
    groups: leftToEnter(c, groups),
    leaf: groups.leaf,
    ready: p.ready,
    mapped,
    terminal: undefined,
    stdio: [],
    warm: false,
    opened,
    stages,
  });

  leaveOpened(opened, s);
  s.call("close the container's end", "close", [high(p.ready)]);
  s.call("close the container's end", "close", [low(p.settled)]);
  if (mapped) {
    s.call("close the container's end", "close", [low(mapped)]);
    writeIdMaps(c, s, pid);
    raiseHardLimits(c, s, pid);
    writeText(s, "say that ids are mapped", high(mapped), "!");
    s.call("close the pipe of the id maps", "close", [high(mapped)]);
  }
  if (p.hooked) {
    s.call("close the container's end", "close", [low(p.hooked)]);
    s.call("wait for the namespaces", "read", [low(p.ready), buffer("one byte", 1), 1]);
    s.check("were the namespaces made?");
    moveDevices(c, s, pid);
    for (const kind of earlyHooks) runHooks(c, s, l, { kind, status: "creating", pid, said: n.said });
    s.call("say that the hooks are done", "write", [high(p.hooked), "!", 1]);
    s.call("close the pipe", "close", [high(p.hooked)]);
  }
  s.call("wait for the container", "read", [low(p.ready), buffer("one byte", 1), 1]);
  s.check("is the container ready?");
  handListener(c, s, l, process, { pid, pidfd, status: "creating", ...p });
  const master = own ? takeTerminal(s, own) : undefined;
  if (master && job.terminal?.plain) leaveLinesAlone(s, master);
  noteCreated(s, l, pid, labelsFrom(program, init, from));
  if (l.caller.pidFile !== undefined) writePidFile(s, l.caller.pidFile, pid);
  sendPidfd(s, forPidfd, pidfd, "standard");
  s.call("let the container live on", "write", [high(p.settled), "!", 1]);
  s.call("wait until it does", "read", [low(p.ready), buffer("one byte", 1), 1]);
  s.check("does the container live?");
  if (streams) {
    // Whoever starts it waits until nobody has this end any more.
    const { join, leaf, born } = groups;
    const held = [o.go, o.done, low(p.ready), high(p.settled), lock, ...join, leaf, born];
    for (const fd of held) if (fd) s.call("let go of the container", "close", [fd]);
    keep(c, s, { pid, pidfd, record }, { streams, master });
  } else if (l.mode === "create") s.exit(0);
  else {
    const socket = l.notify === undefined ? undefined : listenForReady(s, l.directory);
    startNow(s, o);
    awaitExec(s, l, o);
    s.check("was the command executed?");
    runHooks(c, s, l, { kind: "poststart", status: "running", pid, said: n.said });
    if (socket && l.notify !== undefined) {
      // An attached runtime is the service's main process itself.
      const to = l.notify;
      if (attached) passAside(s, (beside) => passReadiness(beside, { socket, pidfd, to }));
      else passReadiness(s, { socket, pidfd, to, pid });
    }
    if (!attached) s.exit(0);
  }

  let saved: ReturnType<typeof rawMode> | undefined;
  if (attached) {
    saved = job.terminal?.raw ? rawMode(s) : undefined;
    const relays = master ? terminalRelays(s, master, 0, 1) : undefined;
    const results = s.supervise("wait for the container", {
      child: pid,
      pidfd,
      signals: signals as Slot,
      ...(relays && { relays }),
    });
    if (saved) restoreMode(s, saved);
    if (!l.keep) {
      if (!isNew(c.spec, "pid")) endRest(s, job.cgroup);
      removeGroups(s, groups.made);
      removeRuntimeState(s, l, made);
      runHooks(c, s, l, { kind: "poststop", status: "stopped", pid, said: n.said, lenient: true });
    }
    s.exit(results[0] as Slot);
  }

  endBorn(undo, born);
  if (saved) restoreMode(undo, saved);
  endRest(undo, job.cgroup);
  removeGroups(undo, groups.made);
  removeRuntimeState(undo, l, made);
  ignoreBrokenPipes(undo);
  resetSignals(undo);
  afterFailure(c, undo, record);
}

/** By a process of its own, as long as this one does something else. */
function passAside(s: SectionBuilder, write: (beside: SectionBuilder) => void): void {
  const beside = s.program.section("notifier");
  s.spawn("start the one that passes notifications on", beside);
  beside.call("end when the runtime does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  write(beside);
  beside.exit(0);
}

/** The FIFO `done` is open for writing in the first process alone: its end is the execution, or a failure in words. */
function awaitExec(s: SectionBuilder, l: Lifecycle, o: Opened): void {
  const record = buffer("failure", FAILURE_RECORD);
  const read = readFifo(s, l);
  s.call("close it for writing", "close", [o.done]);
  s.call("wait until the command is executed", "read", [read, record, FAILURE_RECORD]);
  s.call("close the FIFO", "close", [read]);
}

/** The labels of what may fail after the creation: of the first process, and of the hooks that it starts. */
function labelsFrom(program: ProgramBuilder, init: SectionBuilder, from: number): string {
  const hooks = program.sections.filter((s) => s.name.startsWith(`${HOOK_LABEL}startContainer`));
  const labels: Labels = Object.fromEntries([
    [init.index, { from, labels: init.labels(from) }],
    ...hooks.map((s) => [s.index, { from: 0, labels: s.labels() }] as const),
  ]);
  return JSON.stringify(labels);
}

export function compileCreate(spec: Spec, facts: HostFacts, job: Job, file: OwnFile, l: Lifecycle): Program {
  const program = new ProgramBuilder(facts.arch);
  const c: Context = { spec, facts, job, program };
  if (!spec.process) throw new TypeError("a spec without a process was to be compiled");
  writeRuntime(c, runtimeSection(program, l), file, l, spec.process);
  return program.build();
}
