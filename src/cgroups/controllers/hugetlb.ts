import { InvalidOptionError } from "../../values/errors.ts";
import { type Controller, type Files, present, readKeyed, readNumber, write } from "../controller.ts";
import { parseSizeOrMax } from "../parse.ts";

/** By page size, "2MB" or "1GB": bytes of huge pages. `reserved` counts at the reservation already. Source: cgroup-v2 "HugeTLB". */
export type HugetlbInput = Readonly<
  Record<string, { readonly max?: number | string; readonly reserved?: number | string }>
>;
export type HugetlbLimits = Readonly<Record<string, { readonly max?: number; readonly reserved?: number }>>;
export type HugetlbUsage = Readonly<
  Record<string, { readonly current?: number; readonly peak?: number; readonly maxReached?: number }>
>;

/** The sizes that architectures have; a group has files for those of this machine. */
const SIZES = ["64KB", "512KB", "1MB", "2MB", "8MB", "16MB", "32MB", "256MB", "512MB", "1GB", "2GB", "16GB"];
const file = (f: Files, size: string, what: "max" | "reserved") =>
  f.version === "v1"
    ? `hugetlb.${size}.${what === "max" ? "" : "rsvd."}limit_in_bytes`
    : `hugetlb.${size}.${what === "max" ? "" : "rsvd."}max`;

const each = <T extends object>(f: Files, read: (size: string) => T): Record<string, T> =>
  Object.fromEntries(
    SIZES.map((size) => [size, read(size)] as const).filter(
      ([size, values]) => Object.keys(values).length > 0 && f.read(file(f, size, "max")) !== undefined,
    ),
  );
const V1_NONE = 2 ** 62;
const number = (text: string | undefined) => {
  const n = readNumber(text);
  return n !== undefined && n >= V1_NONE ? Number.POSITIVE_INFINITY : n;
};

export const hugetlb: Controller<HugetlbInput, HugetlbLimits, HugetlbUsage> = {
  name: "hugetlb",
  v1: "hugetlb",
  v2: "hugetlb",
  config: "CONFIG_CGROUP_HUGETLB",
  parse: (input, field) =>
    Object.fromEntries(
      Object.entries(input).map(([size, l]) => {
        if (!SIZES.includes(size)) throw new InvalidOptionError(`${field}`, size, `a page size: ${SIZES.join(", ")}`);
        const max = parseSizeOrMax(`${field}.${size}.max`, l.max);
        const reserved = parseSizeOrMax(`${field}.${size}.reserved`, l.reserved);
        return [size, present({ max, reserved })];
      }),
    ),
  writes: (l, now) =>
    Object.entries(l).flatMap(([size, limits]) =>
      (["max", "reserved"] as const).flatMap((what) => {
        const value = limits[what];
        if (value === undefined) return [];
        return [write(file(now, size, what), now.version === "v1" && !Number.isFinite(value) ? -1 : value)];
      }),
    ),
  limits: (f) =>
    each(f, (size) =>
      present({ max: number(f.read(file(f, size, "max"))), reserved: number(f.read(file(f, size, "reserved"))) }),
    ),
  usage: (f) =>
    each(f, (size) =>
      f.version === "v1"
        ? present({
            current: readNumber(f.read(`hugetlb.${size}.usage_in_bytes`)),
            peak: readNumber(f.read(`hugetlb.${size}.max_usage_in_bytes`)),
            maxReached: readNumber(f.read(`hugetlb.${size}.failcnt`)),
          })
        : present({
            current: readNumber(f.read(`hugetlb.${size}.current`)),
            maxReached: readKeyed(f.read(`hugetlb.${size}.events`))["max"],
          }),
    ),
  events: { v2: SIZES.map((size) => ({ file: `hugetlb.${size}.events`, names: ["max"] })) },
};
