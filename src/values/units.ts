import { InvalidOptionError } from "./errors.ts";

/** A number, or the text of one that looks like this; else NaN. */
export function numberIn(value: unknown, looks: RegExp): number {
  if (typeof value === "number") return value;
  return typeof value === "string" && looks.test(value.trim()) ? Number(value) : Number.NaN;
}

const binary: Record<string, number> = { "": 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };

/** "512M", "1.5g", "64 MiB" or bytes. K, M, G… are powers of 1024, as in systemd.resource-control(5) and Docker. */
export function parseSize(field: string, value: string | number): number {
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  const match = typeof value === "string" ? /^(\d+(?:\.\d+)?)\s*([bkmgtp]?)(?:i?b)?$/i.exec(value.trim()) : null;
  const size = match
    ? Math.round(Number(match[1]) * (binary[(match[2] ?? "").toLowerCase()] ?? Number.NaN))
    : Number.NaN;
  if (!Number.isSafeInteger(size)) throw new InvalidOptionError(field, value, 'a size such as "512M", "1.5G" or bytes');
  return size;
}

const seconds: Record<string, number> = { us: 1e-6, ms: 1e-3, s: 1, "": 1, min: 60, m: 60, h: 3600, d: 86400 };

/** What is still exact in microseconds, and no number of 64 bits by mistake. */
const MOST_SECONDS = 100_000 * 86_400;

/** "30s", "1.5h", "1m30s", "200ms" or seconds; the result is in seconds. */
export function parseDuration(field: string, value: string | number): number {
  if (typeof value === "number" && value >= 0 && value <= MOST_SECONDS) return value;
  const text = String(value).trim();
  // Only the last number may lack a unit: with any two next to each other a long one would be taken apart in all ways.
  const whole = /^(?:\d+(?:\.\d+)?\s*(?:us|ms|s|min|m|h|d)\s*)*(?:\d+(?:\.\d+)?)?$/.test(text) && text !== "";
  let total = whole ? 0 : Number.NaN;
  for (const [, n, unit] of text.matchAll(/(\d+(?:\.\d+)?)\s*(us|ms|min|s|m|h|d)?/g))
    total += Number(n) * (seconds[unit ?? ""] ?? Number.NaN);
  if (!(total <= MOST_SECONDS))
    throw new InvalidOptionError(field, value, 'a duration such as "30s", "1m30s" or seconds, of 100000 days at most');
  return total;
}

/** A number of CPUs: 1.5 or "0.25". */
export function parseCpus(field: string, value: string | number): number {
  const n = numberIn(value, /^\d+(\.\d+)?$/);
  if (!(Number.isFinite(n) && n > 0))
    throw new InvalidOptionError(field, value, "a number of CPUs above 0, such as 1.5");
  return n;
}

export function parseCount(field: string, value: string | number, minimum = 0): number {
  const n = numberIn(value, /^-?\d+$/);
  if (!Number.isSafeInteger(n) || n < minimum)
    throw new InvalidOptionError(field, value, `a whole number from ${minimum} on`);
  return n;
}
