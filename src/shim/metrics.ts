import { create, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { ControlGroup, type GroupUsage } from "../cgroups/group.ts";
import { hostFacts } from "../host/facts.ts";
import { engineLayout } from "../oci/groups.ts";
import { MetricsSchema as V1 } from "./protocol/metrics-v1_pb.ts";
import { MetricsSchema as V2 } from "./protocol/metrics-v2_pb.ts";

type Limits = Awaited<ReturnType<ControlGroup["limits"]>>;

/** How both say "no limit". */
const NONE = 2n ** 64n - 1n;
const limit = (n: number | undefined): bigint => (n === undefined ? 0n : Number.isFinite(n) ? BigInt(n) : NONE);
const count = (n: number | undefined): bigint => BigInt(Math.round(n ?? 0));
const nano = (seconds: number | undefined): bigint => count((seconds ?? 0) * 1e9);
const micro = (seconds: number | undefined): bigint => count((seconds ?? 0) * 1e6);

const devices = (u: GroupUsage) =>
  Object.entries(u.io?.devices ?? {}).map(([device, d]) => {
    const [major = 0n, minor = 0n] = device.split(":").map(BigInt);
    return { major, minor, d };
  });

function v1(u: GroupUsage, l: Limits) {
  const { cpu, memory: m } = u;
  const rows = (ops: readonly ["read" | "readOps", "write" | "writeOps"]) =>
    devices(u).flatMap(({ major, minor, d }) =>
      ops.map((key, i) => ({ major, minor, op: i === 0 ? "Read" : "Write", value: count(d[key]), device: "" })),
    );
  return create(V1, {
    hugetlb: Object.entries(u.hugetlb ?? {}).map(([size, h]) => ({
      pagesize: size,
      usage: count(h.current),
      failcnt: count(h.maxReached),
    })),
    pids: { current: count(u.pids?.current ?? u.processes), limit: limit(l.pids?.max) },
    cpu: {
      usage: { total: nano(cpu?.time), kernel: nano(cpu?.system), user: nano(cpu?.user) },
      throttling: {
        periods: count(cpu?.periods),
        throttledPeriods: count(cpu?.throttled),
        throttledTime: nano(cpu?.throttledTime),
      },
    },
    memory: {
      ...{ cache: count(m?.file), totalCache: count(m?.file) },
      ...{ rss: count(m?.anonymous), totalRss: count(m?.anonymous) },
      ...{ inactiveFile: count(m?.inactiveFile), totalInactiveFile: count(m?.inactiveFile) },
      usage: {
        usage: count(m?.current),
        limit: limit(l.memory?.max),
        max: count(m?.peak),
        failcnt: count(m?.maxReached),
      },
      // As v1 counts it: memory and swap together.
      swap: {
        usage: count((m?.current ?? 0) + (m?.swap ?? 0)),
        limit: limit((l.memory?.max ?? 0) + (l.memory?.swap ?? 0)),
      },
      kernel: { usage: count(m?.kernel) },
    },
    memoryOomControl: { oomKill: count(m?.oomKills), oomKillDisable: l.memory?.oomKill === false ? 1n : 0n },
    blkio: {
      ioServiceBytesRecursive: rows(["read", "write"]),
      ioServicedRecursive: rows(["readOps", "writeOps"]),
    },
  });
}

function v2(u: GroupUsage, l: Limits) {
  const { cpu, memory: m } = u;
  return create(V2, {
    pids: { current: count(u.pids?.current ?? u.processes), limit: limit(l.pids?.max) },
    cpu: {
      ...{ usageUsec: micro(cpu?.time), userUsec: micro(cpu?.user), systemUsec: micro(cpu?.system) },
      nrPeriods: count(cpu?.periods),
      nrThrottled: count(cpu?.throttled),
      throttledUsec: micro(cpu?.throttledTime),
    },
    memory: {
      ...{ anon: count(m?.anonymous), file: count(m?.file), inactiveFile: count(m?.inactiveFile) },
      ...{ usage: count(m?.current), usageLimit: limit(l.memory?.max) },
      ...{ swapUsage: count(m?.swap), swapLimit: limit(l.memory?.swap) },
    },
    memoryEvents: { max: count(m?.maxReached), oomKill: count(m?.oomKills) },
    io: {
      usage: devices(u).map(({ major, minor, d }) => ({
        ...{ major, minor, rbytes: count(d.read), wbytes: count(d.write) },
        ...{ rios: count(d.readOps), wios: count(d.writeOps) },
      })),
    },
    hugetlb: Object.entries(u.hugetlb ?? {}).map(([size, h]) => ({ pagesize: size, current: count(h.current) })),
  });
}

/** What a container uses, in the message that fits the layout: v1's where any controller is mounted as such. */
export async function metricsOf(path: string): Promise<Any> {
  const layout = engineLayout(hostFacts());
  const group = ControlGroup.openAt(layout, path);
  const [usage, limits] = [await group.usage(), await group.limits()];
  const isV1 = Object.keys(layout.v1).length > 0;
  const value = isV1 ? toBinary(V1, v1(usage, limits)) : toBinary(V2, v2(usage, limits));
  return create(AnySchema, { typeUrl: (isV1 ? V1 : V2).typeName, value });
}
