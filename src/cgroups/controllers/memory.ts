import { InvalidOptionError } from "../../values/errors.ts";
import {
  type Controller,
  type Files,
  present,
  readKeyed,
  readNumber,
  refuse,
  type Write,
  write,
} from "../controller.ts";
import { parseSizeOrMax } from "../parse.ts";

type Size = number | string;
/** Sizes are bytes or text ("512M"), "max" is no limit. Source: cgroup-v2 "Memory Interface Files"; cgroup-v1 "memory". */
export type MemoryInput = {
  /** Never reclaimed. v2. */
  readonly min?: Size;
  /** Reclaimed only if there is nothing unprotected. On v1 the soft limit, which the kernel tries to reclaim down to. */
  readonly low?: Size;
  /** Above it processes are slowed down and reclaimed from. v2. */
  readonly high?: Size;
  /** Above it the kernel kills. */
  readonly max?: Size;
  /** Swap alone, beside `max`. On v1, which limits the sum, it is max + swap. */
  readonly swap?: Size;
  /** At an out-of-memory kill all processes of the group go. v2. */
  readonly oomGroup?: boolean;
  /** `false`: a process that runs out of memory is paused instead of killed. v1. */
  readonly oomKill?: boolean;
};
export type MemoryLimits = {
  readonly min?: number;
  readonly low?: number;
  readonly high?: number;
  readonly max?: number;
  readonly swap?: number;
  readonly oomGroup?: boolean;
  readonly oomKill?: boolean;
};
/** Bytes. */
export type MemoryUsage = {
  readonly current?: number;
  readonly peak?: number;
  readonly swap?: number;
  /** Of programs themselves, of cached files, and of the kernel. */
  readonly anonymous?: number;
  readonly file?: number;
  readonly kernel?: number;
  /** Cached files that nobody used lately: what can be taken back first. */
  readonly inactiveFile?: number;
  /** Processes killed for want of memory, in it and below. On v1, which counts each group's alone: of the groups that are there. */
  readonly oomKills?: number;
  /** How often `max` was reached. */
  readonly maxReached?: number;
};

const NONE = Number.POSITIVE_INFINITY;
/** v1 says "no limit" with the largest multiple of a page. */
const V1_NONE = 2 ** 62;
const v1Number = (text: string | undefined) => {
  const n = readNumber(text);
  return n !== undefined && n >= V1_NONE ? NONE : n;
};
const orMinusOne = (n: number) => (n === NONE ? -1 : n);

/** On v1 the sum may never be below the memory limit, so which is written first depends on where both go. */
function v1Limits(l: MemoryLimits, now: Files, making: boolean): Write[] {
  const max = l.max ?? (making ? NONE : v1Number(now.read("memory.limit_in_bytes"))) ?? NONE;
  const out: Write[] = l.max === undefined ? [] : [write("memory.limit_in_bytes", orMinusOne(max))];
  if (l.swap !== undefined && max === NONE && l.swap !== NONE)
    throw new InvalidOptionError("memory.swap", l.swap, "of use without memory.max: v1 limits the sum of both");
  const sumNow = making ? NONE : v1Number(now.read("memory.memsw.limit_in_bytes"));
  const sum = l.swap === undefined ? (sumNow !== undefined && max > sumNow ? NONE : undefined) : max + l.swap;
  if (sum === undefined) return out;
  const memsw = write("memory.memsw.limit_in_bytes", orMinusOne(sum), { ignore: ["ENOENT", "EACCES"] });
  return sumNow !== undefined && sum > sumNow ? [memsw, ...out] : [...out, memsw];
}

/** The kills of a group and of those below it. */
function added(own: Readonly<Record<string, number>>, below: readonly (string | undefined)[]): number | undefined {
  const first = own["oom_kill"];
  return first === undefined ? undefined : below.reduce((sum, text) => sum + (readKeyed(text)["oom_kill"] ?? 0), first);
}

export const memory: Controller<MemoryInput, MemoryLimits, MemoryUsage> = {
  name: "memory",
  v1: "memory",
  v2: "memory",
  config: "CONFIG_MEMCG",
  fields: ["min", "low", "high", "max", "swap", "oomGroup", "oomKill"],
  parse: (i, field) =>
    present({
      min: parseSizeOrMax(`${field}.min`, i.min),
      low: parseSizeOrMax(`${field}.low`, i.low),
      high: parseSizeOrMax(`${field}.high`, i.high),
      max: parseSizeOrMax(`${field}.max`, i.max),
      swap: parseSizeOrMax(`${field}.swap`, i.swap),
      oomGroup: i.oomGroup,
      oomKill: i.oomKill,
    }),
  writes(l, now, making) {
    if (now.version === "v1") {
      if (l.min !== undefined) refuse("memory.min", "v1", "memory.low is the soft limit there");
      if (l.high !== undefined) refuse("memory.high", "v1", "only max and low are there");
      if (l.oomGroup !== undefined) refuse("memory.oomGroup", "v1", "oomKill: false is what it has instead");
      return [
        ...v1Limits(l, now, making),
        ...(l.low === undefined ? [] : [write("memory.soft_limit_in_bytes", orMinusOne(l.low))]),
        ...(l.oomKill === undefined
          ? []
          : [
              write("memory.oom_control", l.oomKill ? 0 : 1, {
                undo: (old) => [String(readKeyed(old)["oom_kill_disable"] ?? 0)],
              }),
            ]),
      ];
    }
    if (l.oomKill !== undefined) refuse("memory.oomKill", "v2", "memory.high slows down without killing");
    return [
      ...(["min", "low", "high"] as const).flatMap((k) => {
        const value = l[k];
        return value === undefined ? [] : [write(`memory.${k}`, value)];
      }),
      ...(l.max === undefined ? [] : [write("memory.max", l.max)]),
      ...(l.swap === undefined ? [] : [write("memory.swap.max", l.swap, { ignore: ["ENOENT"] })]),
      ...(l.oomGroup === undefined ? [] : [write("memory.oom.group", l.oomGroup ? 1 : 0)]),
    ];
  },
  limits(f) {
    if (f.version === "v1") {
      const max = v1Number(f.read("memory.limit_in_bytes"));
      const sum = v1Number(f.read("memory.memsw.limit_in_bytes"));
      const disabled = readKeyed(f.read("memory.oom_control"))["oom_kill_disable"];
      return present({
        low: v1Number(f.read("memory.soft_limit_in_bytes")),
        max,
        swap: sum === undefined || max === undefined ? undefined : sum === NONE ? NONE : sum - max,
        oomKill: disabled === undefined ? undefined : disabled === 0,
      });
    }
    const n = (k: string) => readNumber(f.read(`memory.${k}`));
    const group = n("oom.group");
    return present({
      min: n("min"),
      low: n("low"),
      high: n("high"),
      max: n("max"),
      swap: n("swap.max"),
      oomGroup: group === undefined ? undefined : group === 1,
    });
  },
  usage(f) {
    const v1 = f.version === "v1";
    const stat = readKeyed(f.read("memory.stat"));
    const current = readNumber(f.read(v1 ? "memory.usage_in_bytes" : "memory.current"));
    const sum = readNumber(f.read("memory.memsw.usage_in_bytes"));
    const events = readKeyed(f.read(v1 ? "memory.oom_control" : "memory.events"));
    return present({
      current,
      peak: readNumber(f.read(v1 ? "memory.max_usage_in_bytes" : "memory.peak")),
      swap: v1
        ? sum === undefined || current === undefined
          ? undefined
          : Math.max(0, sum - current)
        : readNumber(f.read("memory.swap.current")),
      anonymous: v1 ? stat["total_rss"] : stat["anon"],
      file: v1 ? stat["total_cache"] : stat["file"],
      kernel: v1 ? readNumber(f.read("memory.kmem.usage_in_bytes")) : stat["kernel"],
      inactiveFile: stat[v1 ? "total_inactive_file" : "inactive_file"],
      oomKills: v1 ? added(events, f.below?.("memory.oom_control") ?? []) : events["oom_kill"],
      maxReached: v1 ? readNumber(f.read("memory.failcnt")) : events["max"],
    });
  },
  events: { v2: [{ file: "memory.events", names: ["low", "high", "max", "oom", "oom_kill"] }] },
};
