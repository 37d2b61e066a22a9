import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { readKeyed } from "../cgroups/controller.ts";
import { ControlGroup, type GroupUsage } from "../cgroups/group.ts";
import { hostFacts } from "../host/facts.ts";
import { readOr } from "../host/files.ts";
import { put } from "../host/output.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseDuration } from "../values/units.ts";
import type { Global } from "./context.ts";
import { engineLayout } from "./groups.ts";
import { type Container, load, running, statusOf } from "./state.ts";

const NANO = 1e9;
const finite = (n: number | undefined) => (n === undefined || !Number.isFinite(n) ? 0 : n);

/** The figures in the shape that runc prints, which engines parse. */
function statsOf(u: GroupUsage, limits: Awaited<ReturnType<ControlGroup["limits"]>>, raw: object): object {
  const { cpu, memory, pids, io } = u;
  const seconds = (s: number | undefined) => Math.round((s ?? 0) * NANO);
  const ioRows = (key: "read" | "write" | "readOps" | "writeOps", op: string) =>
    Object.entries(io?.devices ?? {}).map(([device, d]) => {
      const [major = 0, minor = 0] = device.split(":").map(Number);
      return { major, minor, op, value: d[key] };
    });
  return {
    cpu: {
      usage: { total: seconds(cpu?.time), kernel: seconds(cpu?.system), user: seconds(cpu?.user) },
      throttling: {
        periods: cpu?.periods ?? 0,
        throttledPeriods: cpu?.throttled ?? 0,
        throttledTime: seconds(cpu?.throttledTime),
      },
    },
    memory: {
      cache: memory?.file ?? 0,
      usage: {
        limit: finite(limits.memory?.max),
        usage: memory?.current ?? 0,
        max: memory?.peak ?? 0,
        failcnt: memory?.maxReached ?? 0,
      },
      swap: { limit: finite(limits.memory?.swap), usage: memory?.swap ?? 0, failcnt: 0 },
      kernel: { limit: 0, usage: memory?.kernel ?? 0, failcnt: 0 },
      raw,
    },
    pids: { current: pids?.current ?? u.processes, limit: finite(limits.pids?.max) },
    blkio: {
      ioServiceBytesRecursive: [...ioRows("read", "Read"), ...ioRows("write", "Write")],
      ioServicedRecursive: [...ioRows("readOps", "Read"), ...ioRows("writeOps", "Write")],
    },
    hugetlb: u.hugetlb ?? {},
    intel_rdt: {},
    network_interfaces: null,
  };
}

/** memory.stat as the kernel has it. */
const memoryStat = (c: Container): object =>
  Object.assign({}, ...c.saved.cgroup.directories.map((d) => readKeyed(readOr(join(d, "memory.stat")))));

const print = (line: object) => put(1, `${JSON.stringify(line)}\n`);

/** With --stats the figures once; else at each interval, with out-of-memory events as they happen. */
export async function events(
  g: Global,
  id: string | undefined,
  o: { stats: boolean; interval: string },
): Promise<number> {
  const ms = parseDuration("--interval", o.interval) * 1000;
  if (ms <= 0) throw new InvalidOptionError("--interval", o.interval, "a duration above 0");
  const c = load(g.root, id);
  running(c, "created", "running", "paused");
  const group = ControlGroup.openAt(engineLayout(hostFacts()), c.saved.cgroup.path);
  const stats = async () => {
    const data = statsOf(await group.usage(), await group.limits(), memoryStat(c));
    print({ type: "stats", id, data });
  };
  if (o.stats) {
    await stats();
    return 0;
  }
  const stop = new AbortController();
  const ooms = async () => {
    // v1 counts what it kills, and not how often memory ran out.
    for await (const e of group.events({ signal: stop.signal })) if (e.type === "oom_kill") print({ type: "oom", id });
  };
  const figures = async () => {
    while (statusOf(c) !== "stopped") {
      await stats();
      await sleep(ms, undefined, { signal: stop.signal });
    }
    stop.abort();
  };
  try {
    await Promise.all([ooms(), figures()]);
  } catch (e) {
    // Who deletes the container takes the group away while it is read.
    if (statusOf(c) !== "stopped") throw e;
  } finally {
    stop.abort();
  }
  return 0;
}
