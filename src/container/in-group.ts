import { resolve } from "node:path";
import type { ControlGroup } from "../cgroups/group.ts";
import { layout } from "../cgroups/look.ts";
import { setRlimits } from "../cgroups/rlimits.ts";
import { ensureDelegation } from "../cgroups/systemd.ts";
import { compileBare } from "../compile/bare.ts";
import type { CgroupPlan } from "../compile/job.ts";
import type { Process } from "../compile/spec.ts";
import { hostFacts } from "../host/facts.ts";
import { launcher } from "../program/launcher.ts";
import type { Ulimit } from "../values/ulimits.ts";
import { parseDuration } from "../values/units.ts";
import { collected, type Encoding, fed, type StreamOptions } from "./exchange.ts";
import { ContainerProcess } from "./process.ts";
import { abortWith, type RunOptions, type RunResult, resultOf } from "./run.ts";
import { checkCommand, checkShapes } from "./shape.ts";
import { startProgram } from "./start.ts";
import { checkStreams, outputs } from "./streams.ts";
import { startable } from "./templates.ts";

/** `env` is added to the caller's environment. */
export type InGroupOptions<E extends Encoding = "utf8"> = StreamOptions<E> &
  Pick<RunOptions, "env" | "workdir" | "timeout">;

/** The process as the caller is: its environment, directory and rights, and the limits of the group. */
export function bareProcess(
  command: readonly string[],
  o: InGroupOptions<Encoding>,
  rlimits: readonly Ulimit[],
): Process {
  checkCommand(command);
  checkStreams(o);
  checkShapes({ env: o.env, workdir: o.workdir, timeout: o.timeout });
  const env = Object.entries({ ...process.env, ...o.env }).flatMap(([k, v]) => (v === undefined ? [] : [`${k}=${v}`]));
  return { user: { uid: 0, gid: 0 }, args: command, env, cwd: resolve(o.workdir ?? ""), rlimits };
}

export const timeoutOf = (o: Pick<RunOptions, "timeout">): number =>
  o.timeout === undefined ? -1 : Math.max(1, Math.round(parseDuration("timeout", o.timeout) * 1000));

/**
 * Starts a command in a control group, with no container around it: it is born there (clone3 CLONE_INTO_CGROUP on v2,
 * before its exec on v1), never moved.
 */
export async function spawnIn(
  group: ControlGroup,
  command: readonly string[],
  o: InGroupOptions<Encoding> = {},
): Promise<ContainerProcess> {
  const { rlimits, groups } = group.birthplace();
  const child = await spawnWith({ groups }, bareProcess(command, o, rlimits), o);
  // They may have been changed while it was on its way: it was in the group before it had them.
  const again = async (pid: number) => {
    const now = group.birthplace().rlimits;
    if (JSON.stringify(now) !== JSON.stringify(rlimits)) await setRlimits([pid], now);
  };
  // What does not start says so by its end, and a group that is gone has no limits.
  child.pid.then(again).catch(() => {});
  return child;
}

async function spawnWith(cgroup: CgroupPlan, process: Process, o: InGroupOptions<Encoding>): Promise<ContainerProcess> {
  const l = launcher();
  await ensureDelegation(layout(), l.pid);
  const token = l.token();
  const stdin = o.input === undefined ? { kind: "null" as const } : { kind: "pipe" as const };
  const stdio = [stdin, outputs[o.stdout ?? "pipe"], outputs[o.stderr ?? "pipe"]] as const;
  const report = { to: "library", token, survive: false } as const;
  const bare = { stdio, cgroup, report, timeoutMs: timeoutOf(o), onTerminal: false };
  const started = await startProgram(l, startable(compileBare(process, hostFacts(), bare)), token, stdio, []);
  const ended = fed(started, o.input);
  const stop = abortWith(o.signal, started);
  ended.then(stop, stop);
  return new ContainerProcess(process.args, { ...started, ended });
}

/** The same, and waits for its end. `oomKilled`: it, or another process of the group meanwhile. */
export async function runIn<E extends Encoding = "utf8">(
  group: ControlGroup,
  command: readonly string[],
  o: InGroupOptions<E> = {},
): Promise<RunResult<E>> {
  const began = performance.now();
  const before = group.oomKills();
  const child = await spawnIn(group, command, o);
  const all = await collected(child, () => child.kill("SIGKILL"), o);
  const ending = { ...all.ending, oomKilled: group.oomKills() > before };
  return resultOf(command, { ...all, ending }, (performance.now() - began) / 1000, { notApplied: [] });
}
