import { InvalidOptionError } from "../values/errors.ts";
import { numberIn, parseSize } from "../values/units.ts";

const NO_LIMIT = Number.POSITIVE_INFINITY;
type Loose = number | string;

/** A value or "max" (also "unlimited", Infinity): no limit. */
export function parseMax(
  field: string,
  value: Loose | undefined,
  parse: (field: string, value: Loose) => number,
): number | undefined {
  if (value === undefined) return undefined;
  if (value === "max" || value === "unlimited" || value === NO_LIMIT) return NO_LIMIT;
  return parse(field, value);
}

export const parseSizeOrMax = (field: string, value: Loose | undefined): number | undefined =>
  parseMax(field, value, parseSize);

/** A whole number or "max". */
export const parseCountOrMax = (field: string, value: Loose | undefined): number | undefined =>
  parseMax(field, value, (f, v) => {
    const n = numberIn(v, /^\d+$/);
    if (!Number.isSafeInteger(n) || n < 0) throw new InvalidOptionError(f, v, 'a whole number from 0 on, or "max"');
    return n;
  });

/** A weight of cgroup v2: 1 to 10000, 100 is the default. */
export function parseWeight(field: string, value: Loose | undefined, from = 1): number | undefined {
  if (value === undefined) return undefined;
  const n = numberIn(value, /^\d+$/);
  if (!Number.isInteger(n) || n < from || n > 10000)
    throw new InvalidOptionError(field, value, `a weight from ${from} to 10000 (100 is the default)`);
  return n;
}

/** 0.2 or "20%". */
export function parseFraction(field: string, value: Loose | undefined): number | undefined {
  if (value === undefined) return undefined;
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(String(value).trim());
  const n = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (!(n >= 0 && n <= 1)) throw new InvalidOptionError(field, value, 'a fraction from 0 to 1, or "20%"');
  return n;
}

/** Without the "/s" of a rate. */
const ofASecond = (value: Loose): Loose =>
  typeof value === "string" && /\/\s*s$/i.test(value.trim()) ? value.slice(0, value.lastIndexOf("/")) : value;

/** Bytes per second: "100MB/s", "1.5G" or a number. M is 2^20, as in every size here. */
export const parseRate = (field: string, value: Loose | undefined): number | undefined =>
  parseMax(field, value, (f, v) => parseSize(f, ofASecond(v)));

/** Operations per second: 1000, "1000/s". */
export const parseOperations = (field: string, value: Loose | undefined): number | undefined =>
  parseCountOrMax(field, value === undefined ? undefined : ofASecond(value));

/** "0-3,8" or [0, 1]; the text as the kernel wants it. cpuset(7) "List format". */
export function parseList(field: string, value: string | readonly number[] | undefined): string | undefined {
  if (value === undefined) return undefined;
  const text = String(value).replace(/\s+/g, "");
  const right = text.split(",").every((part) => {
    const [, a, b] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    return a !== undefined && (b === undefined || Number(a) <= Number(b));
  });
  if (!right) throw new InvalidOptionError(field, value, 'a list of numbers and ranges such as "0-3,8"');
  return text;
}

/** The numbers of such a list. */
export const listed = (text: string | undefined): number[] =>
  (text?.trim() ?? "")
    .split(",")
    .filter(Boolean)
    .flatMap((part) => {
      const [a = 0, b = a] = part.split("-").map(Number);
      return Array.from({ length: b - a + 1 }, (_, i) => a + i);
    });
