import { InvalidOptionError } from "../../values/errors.ts";
import { numberIn, parseDuration } from "../../values/units.ts";
import { type Controller, present, readKeyed, readNumber, refuse, write } from "../controller.ts";
import { parseFraction, parseMax, parseWeight } from "../parse.ts";

/** Source: cgroup-v2 "CPU Interface Files"; scheduler/sched-bwc, sched-design-CFS for v1. */
export type CpuInput = {
  /** CPUs' worth of time: 1.5, or "max". Source: cpu.max; cpu.cfs_quota_us. */
  readonly max?: number | string;
  /** Over which time `max` is counted: "100ms" (default), 1 ms to 1 s. */
  readonly period?: number | string;
  /** Unused time that may be saved up and used on top, a duration up to `max` times `period`: "20ms". */
  readonly burst?: number | string;
  /** Share of the CPU against siblings where it is short: 1 to 10000, 100 is what everybody has. */
  readonly weight?: number | string;
  /** Only where nobody else wants to run (SCHED_IDLE). */
  readonly idle?: boolean;
  /** Frequency hints, fractions of the CPU's power: 0.2 or "20%". Source: sched-util-clamp. */
  readonly uclamp?: { readonly min?: number | string; readonly max?: number | string };
};

/** Times in seconds, shares of a CPU as numbers; Infinity is no limit. */
export type CpuLimits = {
  readonly max?: number;
  readonly period?: number;
  readonly burst?: number;
  readonly weight?: number;
  /** The weight in v1's own unit, where it was given in that: a conversion there and back would round. */
  readonly shares?: number;
  readonly idle?: boolean;
  readonly uclamp?: { readonly min?: number; readonly max?: number };
};

/** Seconds of CPU time since the group was made, and how often it was held back. */
export type CpuUsage = {
  readonly time?: number;
  readonly user?: number;
  readonly system?: number;
  readonly periods?: number;
  readonly throttled?: number;
  readonly throttledTime?: number;
};

const MICRO = 1e6;
const DEFAULT_PERIOD = 0.1;
const LEAST_QUOTA = 1000;
const us = (seconds: number) => Math.round(seconds * MICRO);

/** Weight 100 is 1024 shares, as the kernel itself counts (sched_group_set_weight): proportions stay as they are. */
export const sharesOfWeight = (weight: number): number => Math.max(2, Math.round((weight * 1024) / 100));
export const weightOfShares = (shares: number): number =>
  Math.min(10000, Math.max(1, Math.round((shares * 100) / 1024)));

function parse(input: CpuInput, field: string): CpuLimits {
  const period = input.period === undefined ? undefined : parseDuration(`${field}.period`, input.period);
  if (period !== undefined && (period < 0.001 || period > 1))
    throw new InvalidOptionError(`${field}.period`, input.period, 'a duration from "1ms" to "1s"');
  const max = parseMax(`${field}.max`, input.max, parseCpusOf);
  if (max !== undefined && us(max * (period ?? DEFAULT_PERIOD)) < LEAST_QUOTA)
    throw new InvalidOptionError(`${field}.max`, input.max, "at least 1 ms of CPU time per period (0.01 CPUs)");
  const burst = input.burst === undefined ? undefined : parseDuration(`${field}.burst`, input.burst);
  if (burst !== undefined && max !== undefined && burst > max * (period ?? DEFAULT_PERIOD))
    throw new InvalidOptionError(`${field}.burst`, input.burst, "at most max times period");
  return present({
    max,
    period,
    burst,
    weight: parseWeight(`${field}.weight`, input.weight),
    idle: input.idle,
    uclamp: input.uclamp && {
      ...present({
        min: parseFraction(`${field}.uclamp.min`, input.uclamp.min),
        max: parseFraction(`${field}.uclamp.max`, input.uclamp.max),
      }),
    },
  });
}

function parseCpusOf(field: string, value: number | string): number {
  const n = numberIn(value, /^\d+(\.\d+)?$/);
  if (!(Number.isFinite(n) && n > 0))
    throw new InvalidOptionError(field, value, 'a number of CPUs above 0 such as 1.5, or "max"');
  return n;
}

const percent = (fraction: number) => `${(fraction * 100).toFixed(2)}`;
const fraction = (text: string | undefined) => {
  const n = readNumber(text);
  return n === undefined ? undefined : n === Number.POSITIVE_INFINITY ? 1 : n / 100;
};

export const cpu: Controller<CpuInput, CpuLimits, CpuUsage> = {
  name: "cpu",
  v1: "cpu",
  v2: "cpu",
  config: "CONFIG_CGROUP_SCHED",
  fields: ["max", "period", "burst", "weight", "idle", "uclamp"],
  parse,
  writes(l, now, making) {
    const v1 = now.version === "v1";
    const current = making ? {} : cpu.limits(now);
    const max = l.max ?? current.max ?? Number.POSITIVE_INFINITY;
    const period = l.period ?? current.period ?? DEFAULT_PERIOD;
    const quota = max === Number.POSITIVE_INFINITY ? max : us(max * period);
    const out = [];
    // The weight of an idle group is fixed: the kernel refuses another, even the one that it had before.
    const staysIdle = l.idle === true && current.idle === true;
    if (l.idle === false) out.push(write("cpu.idle", 0));
    if (l.weight !== undefined && !staysIdle)
      out.push(v1 ? write("cpu.shares", l.shares ?? sharesOfWeight(l.weight)) : write("cpu.weight", l.weight));
    if (l.max !== undefined || l.period !== undefined) {
      // What may be saved up must not exceed the quota: it goes first where that shrinks.
      if (l.burst === undefined && (current.burst ?? 0) > max * period)
        out.push(write(v1 ? "cpu.cfs_burst_us" : "cpu.max.burst", us(max * period)));
      if (v1) {
        const both = [
          write("cpu.cfs_period_us", us(period)),
          write("cpu.cfs_quota_us", quota === Number.POSITIVE_INFINITY ? -1 : quota),
        ];
        // Between the two writes the share may not be more than that of a group above (EINVAL); no quota always may.
        const { max: oldMax = Number.POSITIVE_INFINITY, period: oldPeriod = DEFAULT_PERIOD } = current;
        const stretch = period / oldPeriod;
        const periodFirst = oldMax === Number.POSITIVE_INFINITY || oldMax / stretch <= max * stretch;
        out.push(...(periodFirst ? both : both.reverse()));
      } else out.push(write("cpu.max", `${quota === Number.POSITIVE_INFINITY ? "max" : quota} ${us(period)}`));
    }
    if (l.burst !== undefined) {
      const burst = write(v1 ? "cpu.cfs_burst_us" : "cpu.max.burst", us(l.burst));
      if ((current.burst ?? 0) > max * period) out.unshift(burst);
      else out.push(burst);
    }
    if (l.idle) out.push(write("cpu.idle", 1));
    for (const end of ["min", "max"] as const) {
      const value = l.uclamp?.[end];
      if (value === undefined) continue;
      if (!making && now.read(`cpu.uclamp.${end}`) === undefined)
        refuse(`cpu.uclamp.${end}`, now.version, "the kernel was built without CONFIG_UCLAMP_TASK_GROUP");
      out.push(write(`cpu.uclamp.${end}`, percent(value)));
    }
    return out;
  },
  limits(f) {
    const [quota, period] =
      f.version === "v1"
        ? [f.read("cpu.cfs_quota_us")?.trim(), f.read("cpu.cfs_period_us")?.trim()]
        : (f.read("cpu.max")?.trim().split(" ") ?? []);
    const perSecond = Number(period) / MICRO;
    const shares = readNumber(f.read("cpu.shares"));
    const burst = readNumber(f.read(f.version === "v1" ? "cpu.cfs_burst_us" : "cpu.max.burst"));
    const idle = f.read("cpu.idle")?.trim();
    const clamp = present({ min: fraction(f.read("cpu.uclamp.min")), max: fraction(f.read("cpu.uclamp.max")) });
    return present({
      max:
        quota === undefined
          ? undefined
          : quota === "max" || quota === "-1"
            ? Number.POSITIVE_INFINITY
            : Number(quota) / Number(period),
      period: period === undefined ? undefined : perSecond,
      burst: burst === undefined ? undefined : burst / MICRO,
      weight: shares === undefined ? readNumber(f.read("cpu.weight")) : weightOfShares(shares),
      idle: idle === undefined ? undefined : idle === "1",
      uclamp: Object.keys(clamp).length ? clamp : undefined,
    });
  },
  usage(f) {
    const home = readKeyed(f.home("cpu.stat"));
    const own = readKeyed(f.read("cpu.stat"));
    const nano = readNumber(f.other("cpuacct", "cpuacct.usage"));
    const seconds = (n: number | undefined) => (n === undefined ? undefined : n / MICRO);
    const throttledNano = own["throttled_time"];
    return present({
      time: seconds(home["usage_usec"] ?? own["usage_usec"]) ?? (nano === undefined ? undefined : nano / 1e9),
      user: seconds(home["user_usec"] ?? own["user_usec"]),
      system: seconds(home["system_usec"] ?? own["system_usec"]),
      periods: own["nr_periods"],
      throttled: own["nr_throttled"],
      throttledTime: seconds(own["throttled_usec"]) ?? (throttledNano === undefined ? undefined : throttledNano / 1e9),
    });
  },
};
