import type { HostFacts } from "../host/facts.ts";
import { O } from "../kernel/flags.ts";
import { ProgramBuilder } from "../program/builder.ts";
import type { Program, Slot } from "../program/types.ts";
import { addressOf } from "../program/values.ts";
import { spawnSupervisor } from "./cgroup.ts";
import type { Context } from "./context.ts";
import { launcherPipes, openOwnFile } from "./exec.ts";
import { behindFront } from "./front.ts";
import { placeOf } from "./here.ts";
import type { Job } from "./job.ts";
import { listenerSockets, takeListener } from "./notify.ts";
import { keepWritersOff } from "./own-file.ts";
import type { Parts } from "./parts.ts";
import { passSpare } from "./spare.ts";
import type { Spec } from "./spec.ts";
import { writeSupervisor } from "./supervisor.ts";

/**
 * A spec, the facts of the host and a job become a program; `parts` are what `partsFor` the job gives. Pure: no file is opened and no clock is read here, so
 * the same three always give the same program.
 */
export function compile(spec: Spec, facts: HostFacts, job: Job, parts: Parts = {}): Program {
  if (job.network && !parts.network) throw new TypeError("a job with a network was to be compiled without that part");
  const program = new ProgramBuilder(facts.arch);
  const here = placeOf(spec);
  const c: Context = { spec, facts, job, program, parts, ...(here && { here }) };
  if (job.report.to === "library") compileForLauncher(c);
  else if (job.report.to === "command") compileForCommand(c, job.report);
  else {
    const supervisor = program.section("supervisor");
    keepWritersOff(supervisor);
    writeSupervisor(c, supervisor, { streams: [] });
  }
  return program.build();
}

/** The launcher makes the pipes, since this runtime can open them at /proc/PID/fd, and starts the supervisor. */
function compileForLauncher(c: Context): void {
  const { program } = c;
  const main = program.section("launcher");
  const supervisor = program.section("supervisor");
  const pipe = (name: string): Slot => {
    const slot = program.slot(name);
    main.call(`make the ${name}`, "pipe2", [addressOf(slot), O.CLOEXEC]);
    return slot;
  };
  const streams = launcherPipes(c, main);
  const warm = c.job.warm ? { from: pipe("pipe of what comes"), to: pipe("pipe of the answer") } : undefined;
  const notify = c.job.notify ? listenerSockets(main) : undefined;
  spawnSupervisor(c, main, supervisor);
  writeSupervisor(c, supervisor, { streams, ...(warm && { warm }), ...(notify && { notify }) });
  passSpare(c, main);
  if (notify) takeListener(c, main, notify);
}

/** This process is what the command line became. Detached, it waits for the start only, and prints the name. */
function compileForCommand(c: Context, report: Job["report"] & { to: "command" }): void {
  const { program, job } = c;
  const main = program.section(report.detach ? "front" : "supervisor");
  openOwnFile(main, report.file);
  if (!report.detach) writeSupervisor(c, main, { streams: [] });
  else behindFront(c, main, `${job.name}\n`, (s, front) => writeSupervisor(c, s, { streams: [] }, front));
}
