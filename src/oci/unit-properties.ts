import type { Layout } from "../cgroups/layout.ts";
import { INFINITY, type Property } from "../cgroups/manager.ts";
import { limitsOfResources } from "../cgroups/oci.ts";
import type { CheckedLimits } from "../cgroups/table.ts";
import type { Resources } from "../compile/spec.ts";
import { unitDevices } from "./unit-devices.ts";

const MICRO = 1e6;
const DEFAULT_PERIOD = 0.1;
const NONE = Number.POSITIVE_INFINITY;
const whole = (n: number) => (n >= 2 ** 63 ? INFINITY : String(Math.round(n)));

/** What the kernel takes: memparse(), or "max". */
function numberIn(text = ""): number | undefined {
  const [, digits, unit = ""] = /^(\d+)([kmgtpe]?)$/i.exec(text.trim()) ?? [];
  if (digits !== undefined) return Number(digits) * 1024 ** " kmgtpe".indexOf(unit.toLowerCase() || " ");
  return text.trim() === "max" ? NONE : undefined;
}

type Of = (l: CheckedLimits) => number | undefined;
/** Of v1 there is what systemd 230 and later convert themselves, and the shares as they are given. */
const v1: readonly (readonly [property: string, of: Of])[] = [
  ["MemoryMax", (l) => l.memory?.max],
  ["TasksMax", (l) => l.pids?.max],
  ["CPUShares", (l) => l.cpu?.shares],
];
const v2: readonly (readonly [property: string, of: Of, file: string])[] = [
  ["MemoryMin", (l) => l.memory?.min, "memory.min"],
  ["MemoryLow", (l) => l.memory?.low, "memory.low"],
  ["MemoryHigh", (l) => l.memory?.high, "memory.high"],
  ["MemoryMax", (l) => l.memory?.max, "memory.max"],
  ["MemorySwapMax", (l) => l.memory?.swap, "memory.swap.max"],
  ["TasksMax", (l) => l.pids?.max, "pids.max"],
  ["CPUWeight", (l) => l.cpu?.weight, "cpu.weight"],
  ["IOWeight", (l) => l.io?.weight, "io.weight"],
];
/** systemd refuses these as zero, which nobody means. */
const POSITIVE = ["MemoryHigh", "MemoryMax", "TasksMax"];

/** A bit for each number of a list such as "0-3,8", from the lowest on. What is none, or has more than any kernel, the kernel refuses. */
function mask(property: string, list: string | undefined): Property[] {
  let bits = 0n;
  for (const part of list?.trim().split(",") ?? []) {
    const [, a = "", b = a] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part.trim()) ?? [];
    if (a === "" || Number(b) < Number(a)) return [];
    bits |= ((1n << BigInt(Number(b) - Number(a) + 1)) - 1n) << BigInt(a);
  }
  const bytes: string[] = [];
  for (; bits > 0n; bits >>= 8n) bytes.push(String(bits & 0xffn));
  return bytes.length ? [[property, "ay", String(bytes.length), ...bytes]] : [];
}

/** In CPUs, and seconds. */
function quotaOf({ cpu }: CheckedLimits, text: string | undefined): { max?: number; period?: number } {
  const [max, period] = text?.trim().split(/\s+/).map(numberIn) ?? [];
  if (max === undefined) return cpu ?? {};
  const length = period ?? DEFAULT_PERIOD * MICRO;
  return { max: max / length, period: length / MICRO };
}

/**
 * Limits as properties of a unit, which systemd is to know: whenever it reads its configuration anew (`systemctl daemon-reload`), it
 * writes what it knows, or that there is no limit. systemd.resource-control(5)
 */
export function unitProperties(layout: Layout, { unified = {}, devices, ...rest }: Resources = {}): Property[] {
  const limits = limitsOfResources({ ...rest, devices: [] }, { exact: true });
  const rules = devices?.length && layout.v1["devices"] ? limitsOfResources({ devices }).devices : undefined;
  const isV1 = layout.v1["memory"] !== undefined;
  const given = isV1
    ? v1.map(([name, of]) => [name, of(limits)] as const)
    : v2.map(([name, of, file]) => [name, numberIn(unified[file]?.replace(/^default /, "")) ?? of(limits)] as const);
  const { max, period = DEFAULT_PERIOD } = quotaOf(limits, isV1 ? undefined : unified["cpu.max"]);
  const quota: Property[] = [
    ...(max === undefined ? [] : [["CPUQuotaPerSecUSec", "t", whole(max * MICRO)] as const]),
    // Not known to a systemd before 242, which is on v1 if anywhere.
    ...(max === undefined || isV1 ? [] : [["CPUQuotaPeriodUSec", "t", whole(period * MICRO)] as const]),
  ];
  return [
    ...given.flatMap(([name, n]): Property[] =>
      n === undefined || (n === 0 && POSITIVE.includes(name)) ? [] : [[name, "t", whole(n)]],
    ),
    ...quota,
    ...(rules ? unitDevices(rules) : []),
    ...(isV1 ? [] : mask("AllowedCPUs", unified["cpuset.cpus"] ?? limits.cpuset?.cpus)),
    ...(isV1 ? [] : mask("AllowedMemoryNodes", unified["cpuset.mems"] ?? limits.cpuset?.mems)),
  ];
}
