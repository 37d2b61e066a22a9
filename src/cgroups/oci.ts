import type { Resources } from "../compile/spec.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { sharesOfWeight } from "./controllers/cpu.ts";
import type { DeviceRule } from "./controllers/devices.ts";
import type { IoLimits } from "./controllers/io.ts";
import type { CheckedLimits } from "./table.ts";

const NONE = Number.POSITIVE_INFINITY;
const limit = (n: number) => (n < 0 ? NONE : n);
const MICRO = 1e6;
const DEFAULT_PERIOD = 100_000;

/**
 * cpu.shares 2…262144 to cpu.weight 1…10000, as the OCI runtimes convert them since 2025: a curve through (2, 1),
 * (1024, 100) and (262144, 10000), so that what is default there is default here.
 */
export function weightOfOciShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34));
}

/**
 * Given sums of memory and swap become swap alone. Without one there is none beyond the memory limit, unless an engine
 * says what it means (`exact`): then what is not said is left as it is.
 */
function memory(m: NonNullable<Resources["memory"]>, exact: boolean): CheckedLimits["memory"] {
  const { limit: max, reservation, swap, disableOOMKiller } = m;
  const sum = swap ?? (exact ? undefined : max);
  if (swap !== undefined && swap >= 0 && (max === undefined || max < 0 || swap < max))
    throw new InvalidOptionError(
      "linux.resources.memory.swap",
      swap,
      "memory and swap together, at least memory.limit",
    );
  return {
    ...(max !== undefined && { max: limit(max) }),
    ...(sum !== undefined && { swap: sum < 0 || max === undefined ? NONE : sum - max }),
    ...(reservation !== undefined && { low: limit(reservation) }),
    ...(disableOOMKiller && { oomKill: false }),
  };
}

function cpu(c: NonNullable<Resources["cpu"]>): CheckedLimits["cpu"] {
  const period = c.period || DEFAULT_PERIOD;
  return {
    ...(c.shares && { weight: weightOfOciShares(c.shares), shares: c.shares }),
    ...(c.quota && { max: c.quota < 0 ? NONE : c.quota / period }),
    ...((c.quota || c.period) && { period: period / MICRO }),
    ...(c.burst !== undefined && { burst: c.burst / MICRO }),
    ...(c.idle !== undefined && { idle: c.idle === 1 }),
  };
}

/** BFQ's 10…1000 to 1…10000, as the specification has it. */
const ioWeight = (w: number) => Math.max(1, Math.min(10000, Math.round(1 + ((w - 10) * 9999) / 990)));

function io(b: NonNullable<Resources["blockIO"]>): IoLimits {
  const devices: Record<string, Record<string, number>> = {};
  const set = (d: { major: number; minor: number }, key: string, value: number) => {
    const id = `${d.major}:${d.minor}`;
    devices[id] = { ...devices[id], [key]: value };
  };
  for (const d of b.weightDevice ?? [])
    if (d.weight) {
      set(d, "weight", ioWeight(d.weight));
      set(d, "v1Weight", d.weight);
    }
  for (const d of b.throttleReadBpsDevice ?? []) set(d, "read", d.rate);
  for (const d of b.throttleWriteBpsDevice ?? []) set(d, "write", d.rate);
  for (const d of b.throttleReadIOPSDevice ?? []) set(d, "readOps", d.rate);
  for (const d of b.throttleWriteIOPSDevice ?? []) set(d, "writeOps", d.rate);
  return {
    ...(b.weight && { weight: ioWeight(b.weight), v1Weight: b.weight }),
    ...(Object.keys(devices).length && { devices }),
  };
}

const isEmpty = (o: object) => Object.keys(o).length === 0;
const ALL_ACCESS = "rwm";

function devices(list: NonNullable<Resources["devices"]>): CheckedLimits["devices"] {
  let fallback: "allow" | "deny" = "allow";
  let rules: DeviceRule[] = [];
  for (const d of list) {
    const access = d.access || "rwm";
    const numbers = {
      ...(d.major !== undefined && d.major >= 0 && { major: d.major }),
      ...(d.minor !== undefined && d.minor >= 0 && { minor: d.minor }),
    };
    const everyKind = d.type === undefined || d.type === "a";
    if (everyKind && isEmpty(numbers) && access.length === ALL_ACCESS.length) {
      fallback = d.allow ? "allow" : "deny";
      rules = [];
      // To the kernel "a" is everything, whatever numbers follow it.
    } else
      for (const type of everyKind ? (["b", "c"] as const) : [d.type as "b" | "c"])
        rules.push({ allow: d.allow, type, access, ...numbers });
  }
  return { default: fallback, rules };
}

/** The resources of an OCI spec as limits. Source: config-linux.md "Control groups". */
export function limitsOfResources(r: Resources, o: { readonly exact?: boolean } = {}): CheckedLimits {
  const cpuset = r.cpu && {
    ...(r.cpu.cpus && { cpus: r.cpu.cpus }),
    ...(r.cpu.mems && { mems: r.cpu.mems }),
  };
  const all = {
    memory: r.memory && memory(r.memory, o.exact === true),
    cpu: r.cpu && cpu(r.cpu),
    cpuset,
    pids: r.pids?.limit ? { max: limit(r.pids.limit) } : undefined,
    io: r.blockIO && io(r.blockIO),
    devices: r.devices?.length ? devices(r.devices) : undefined,
    hugetlb: r.hugepageLimits && Object.fromEntries(r.hugepageLimits.map((h) => [h.pageSize, { max: limit(h.limit) }])),
    rdma:
      r.rdma &&
      Object.fromEntries(
        Object.entries(r.rdma).map(([name, l]) => [
          name,
          {
            ...(l.hcaHandles !== undefined && { handles: l.hcaHandles }),
            ...(l.hcaObjects !== undefined && { objects: l.hcaObjects }),
          },
        ]),
      ),
    netCls: r.network?.classID === undefined ? undefined : { classid: r.network.classID },
    netPrio: r.network?.priorities && Object.fromEntries(r.network.priorities.map((p) => [p.name, p.priority])),
  };
  return Object.fromEntries(Object.entries(all).filter(([, l]) => l !== undefined && !isEmpty(l)));
}

const number = (n: number) => (n === NONE ? -1 : n);

/** Limits as the resources of an OCI spec: what others understand. What it has no word for is in `unified`, as files of v2. */
export function resourcesOfLimits(l: CheckedLimits): Resources {
  const { memory: m, cpu: c, cpuset: s } = l;
  const unified: Record<string, string> = {};
  const text = (file: string, value: number | string | undefined) => {
    if (value !== undefined) unified[file] = value === NONE ? "max" : String(value);
  };
  text("memory.min", m?.min);
  text("memory.high", m?.high);
  if (m?.oomGroup !== undefined) text("memory.oom.group", m.oomGroup ? 1 : 0);
  const period = Math.round((c?.period ?? DEFAULT_PERIOD / MICRO) * MICRO);
  const cpuWords = {
    ...(c?.weight !== undefined && { shares: c.shares ?? sharesOfWeight(c.weight) }),
    ...(c?.max !== undefined && { quota: c.max === NONE ? -1 : Math.round(c.max * period), period }),
    ...(c?.burst !== undefined && { burst: Math.round(c.burst * MICRO) }),
    ...(c?.idle !== undefined && { idle: c.idle ? 1 : 0 }),
    ...(s?.cpus !== undefined && { cpus: s.cpus }),
    ...(s?.mems !== undefined && { mems: s.mems }),
  };
  const rates = (key: "read" | "write" | "readOps" | "writeOps") =>
    Object.entries(l.io?.devices ?? {}).flatMap(([id, d]) => {
      const [major = 0, minor = 0] = id.split(":").map(Number);
      const rate = d[key];
      return rate === undefined || rate === NONE ? [] : [{ major, minor, rate }];
    });
  const io = Object.entries({
    throttleReadBpsDevice: rates("read"),
    throttleWriteBpsDevice: rates("write"),
    throttleReadIOPSDevice: rates("readOps"),
    throttleWriteIOPSDevice: rates("writeOps"),
  }).filter(([, list]) => list.length);
  return {
    ...(m &&
      (m.max !== undefined || m.low !== undefined) && {
        memory: {
          ...(m.max !== undefined && { limit: number(m.max) }),
          ...(m.max !== undefined && m.swap !== undefined && { swap: number(m.max + m.swap) }),
          ...(m.low !== undefined && { reservation: number(m.low) }),
          ...(m.oomKill === false && { disableOOMKiller: true }),
        },
      }),
    ...(!isEmpty(cpuWords) && { cpu: cpuWords }),
    ...(l.pids?.max !== undefined && { pids: { limit: number(l.pids.max) } }),
    ...(io.length && { blockIO: Object.fromEntries(io) }),
    ...(l.devices && {
      devices: [{ allow: l.devices.default === "allow", access: "rwm" }, ...l.devices.rules],
    }),
    ...(l.hugetlb && {
      hugepageLimits: Object.entries(l.hugetlb).flatMap(([pageSize, h]) =>
        h.max === undefined ? [] : [{ pageSize, limit: number(h.max) }],
      ),
    }),
    ...(!isEmpty(unified) && { unified }),
  };
}
