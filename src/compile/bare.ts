import type { HostFacts } from "../host/facts.ts";
import { CLONE, O, PR } from "../kernel/flags.ts";
import { CLONE_ARGS_CGROUP, cloneArgs, ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import type { Program } from "../program/types.ts";
import { addressOf, buffer, high, low } from "../program/values.ts";
import { endRest, enterGroups, makeGroups, removeGroups } from "./cgroup.ts";
import { executeCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { setRlimits } from "./credentials.ts";
import { closeFrom, FD } from "./descriptors.ts";
import { launcherPipes, openOwnFile } from "./exec.ts";
import type { Job } from "./job.ts";
import { endIfOrphaned } from "./orphan.ts";
import { afterEnd, afterFailure, endRecord, fillRecord, reportStart } from "./report.ts";
import { JOB_CONTROL, resetSignals, takeSignals, takeSignalsToPassOn } from "./signals.ts";
import type { Process } from "./spec.ts";
import { arrangeStdio, type Given } from "./stdio.ts";
import { endWithLauncher } from "./supervisor.ts";

const SIGKILL = 9;
const [SIGINT, SIGQUIT] = [2, 3];

export type BareJob = Pick<Job, "stdio" | "timeoutMs" | "cgroup" | "report"> & {
  /** The caller's terminal is the command's too: what is typed there reaches it from the kernel. */
  readonly onTerminal: boolean;
};

/** The command of a group is born in it, and has all else from the caller. */
function writeCommand(s: SectionBuilder, process: Process, bare: BareJob, ready: ReturnType<typeof low>): void {
  s.call("keep the supervisor's pipe", "dup3", [ready, FD.READY, O.CLOEXEC]);
  closeFrom(s, FD.READY + 1);
  if (!bare.onTerminal) endIfOrphaned(s, FD.READY);
  // EPERM: the group's were narrowed since they were looked up, and hold already. The library looks again.
  setRlimits(process, s, bare.report.to === "library" ? ["EPERM"] : undefined);
  s.call(`enter the working directory ${process.cwd}`, "chdir", [process.cwd]);
  resetSignals(s);
  executeCommand(process, s);
}

function writeBare(c: Context, s: SectionBuilder, given: Given, process: Process, bare: BareJob): void {
  const { program, job } = c;
  const command = program.section("command");
  const undo = program.section("undo");
  s.onFail = undo;
  const record = endRecord(c);
  const pidfdSlot = program.slot("pidfd of the command");
  if (job.report.to === "library" && !job.report.survive) endWithLauncher(s);
  const stdio = arrangeStdio(c, s, given);
  const signals = bare.onTerminal
    ? takeSignals(s, "signals to pass on", { untouched: JOB_CONTROL, held: [SIGINT, SIGQUIT] })
    : takeSignalsToPassOn(s);
  const groups = makeGroups(c, s);
  const ready = program.slot("pipe that closes at exec");
  s.call("make the pipe that closes at exec", "pipe2", [addressOf(ready), O.CLOEXEC]);
  const flags = BigInt(CLONE.PIDFD) | (groups.born ? CLONE.INTO_CGROUP : 0n);
  const args = cloneArgs({ flags, pidfd: pidfdSlot });
  if (groups.born) s.store(groups.born, args, CLONE_ARGS_CGROUP, 8);
  const pid = s.spawn("start the command", command, args);

  if (!bare.onTerminal) command.call("end when the supervisor does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  enterGroups(command, groups.join);
  stdio.forEach((fd, n) => {
    if (fd !== undefined) command.call(`make it file descriptor ${n}`, "dup3", [fd, n, 0]);
  });
  writeCommand(command, process, bare, high(ready));

  s.call("close the command's end", "close", [high(ready)]);
  for (const fd of groups.join) s.call("close cgroup.procs", "close", [fd]);
  s.call("wait until the command is executed", "read", [low(ready), buffer("one byte", 1), 1]);
  s.call("close the pipe", "close", [low(ready)]);
  s.check("did the command start?");
  for (const fd of stdio) if (fd !== undefined) s.call("leave a stream to the command", "close", [fd]);
  reportStart(c, s, pid, undefined);
  const pidfd = low(pidfdSlot);
  const results = s.supervise("wait for the command", { child: pid, pidfd, signals, timeout: job.timeoutMs });
  endRest(s, job.cgroup);
  fillRecord(c, s, record, results);
  removeGroups(s, groups.made);
  afterEnd(c, s, record, results);

  undo.call("end the command", "pidfd_send_signal", [pidfd, SIGKILL, 0, 0], { ignore: "all" });
  endRest(undo, job.cgroup);
  removeGroups(undo, groups.made);
  afterFailure(c, undo, record);
}

/** A command in control groups, with no container around it: limits and accounting alone. */
export function compileBare(process: Process, facts: HostFacts, bare: BareJob): Program {
  const program = new ProgramBuilder(facts.arch);
  const job: Job = {
    ...bare,
    name: "",
    root: { kind: "directory" },
    scratch: "/",
    directories: {},
    existing: [],
    init: false,
    idle: false,
  };
  const c: Context = { spec: { ociVersion: "1.3.0", process }, facts, job, program };
  const main = program.section(bare.report.to === "library" ? "launcher" : "supervisor");
  if (bare.report.to === "library") {
    const supervisor = program.section("supervisor");
    const streams = launcherPipes(c, main);
    main.spawn("start the supervisor", supervisor);
    writeBare(c, supervisor, { streams }, process, bare);
  } else {
    if (bare.report.to === "command") openOwnFile(main, bare.report.file);
    writeBare(c, main, { streams: [] }, process, bare);
  }
  return program.build();
}
