import { isIPv4, isIPv6 } from "node:net";
import type { Address, Family } from "../kernel/rtnetlink.ts";
import { InvalidOptionError } from "../values/errors.ts";

export const BITS: Readonly<Record<Family, number>> = { ipv4: 32, ipv6: 128 };

/** The bytes of "::1" and the like: groups of two, with "::" for as many zeros as are missing. */
function ipv6Bytes(text: string): number[] {
  const [, front = text, dotted] = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text) ?? [];
  const last = dotted?.split(".").map(Number) ?? [];
  const full = dotted
    ? `${front}${((last[0] ?? 0) * 256 + (last[1] ?? 0)).toString(16)}:${((last[2] ?? 0) * 256 + (last[3] ?? 0)).toString(16)}`
    : text;
  const [head = "", tail] = full.split("::");
  const groups = (part: string) =>
    part
      .split(":")
      .filter(Boolean)
      .map((g) => Number.parseInt(g, 16));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return all.flatMap((g) => [g >> 8, g & 0xff]);
}

/** "10.0.0.1" or "fd00::1", or undefined. */
export function parseIp(text: string): { family: Family; bytes: number[] } | undefined {
  if (isIPv4(text)) return { family: "ipv4", bytes: text.split(".").map(Number) };
  if (isIPv6(text) && !text.includes("%")) return { family: "ipv6", bytes: ipv6Bytes(text) };
  return undefined;
}

/** "10.0.0.0/8"; without a prefix it is that one address. */
export function parseCidr(field: string, text: string): Address {
  const [ip = "", prefix, ...rest] = text.split("/");
  const parsed = parseIp(ip);
  const bits = parsed && (prefix === undefined ? BITS[parsed.family] : /^\d{1,3}$/.test(prefix) ? Number(prefix) : -1);
  if (!parsed || bits === undefined || rest.length || bits < 0 || bits > BITS[parsed.family])
    throw new InvalidOptionError(field, text, 'an address such as "10.0.0.2", or a subnet such as "10.0.0.0/8"');
  return { ...parsed, prefix: bits };
}

/** The first bit says that it is of several. */
export function parseMac(text: string): Uint8Array {
  const bytes = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? text.split(":").map((b) => Number.parseInt(b, 16)) : [1];
  if ((bytes[0] ?? 1) & 1)
    throw new InvalidOptionError("network.mac", text, 'an address of one interface, such as "02:00:00:00:00:01"');
  return Uint8Array.from(bytes);
}

export const toNumber = (bytes: readonly number[]): bigint => bytes.reduce((n, b) => (n << 8n) | BigInt(b), 0n);

export const fromNumber = (family: Family, n: bigint): number[] =>
  Array.from({ length: BITS[family] / 8 }, (_, i) => Number((n >> BigInt(BITS[family] - 8 * (i + 1))) & 0xffn));

/** The first and the last address of a subnet. */
export function rangeOf(a: Address): readonly [bigint, bigint] {
  const host = BigInt(BITS[a.family] - a.prefix);
  const first = (toNumber(a.bytes) >> host) << host;
  return [first, first + (1n << host) - 1n];
}

export const maskOf = (a: Address): number[] => {
  const host = BigInt(BITS[a.family] - a.prefix);
  return fromNumber(a.family, ((1n << BigInt(a.prefix)) - 1n) << host);
};

export const contains = (subnet: Address, a: Pick<Address, "family" | "bytes">): boolean => {
  if (subnet.family !== a.family) return false;
  const [first, last] = rangeOf(subnet);
  const n = toNumber(a.bytes);
  return n >= first && n <= last;
};

export const overlaps = (a: Address, b: Address): boolean => {
  if (a.family !== b.family) return false;
  const [[a0, a1], [b0, b1]] = [rangeOf(a), rangeOf(b)];
  return a0 <= b1 && b0 <= a1;
};

export function formatIp(a: Pick<Address, "family" | "bytes">): string {
  if (a.family === "ipv4") return a.bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((a.bytes[2 * i] ?? 0) << 8) | (a.bytes[2 * i + 1] ?? 0)).toString(16),
  );
  const text = groups.join(":");
  // RFC 5952: the longest run of two or more zero groups, the first of several, is "::".
  const runs = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort(
    (x, y) => y[0].length - x[0].length || x.index - y.index,
  );
  const run = runs[0];
  if (!run) return text;
  const head = text.slice(0, run.index);
  const tail = text.slice(run.index + run[0].length).replace(/^:/, "");
  return `${head}::${tail}`;
}

export const formatCidr = (a: Address): string => `${formatIp(a)}/${a.prefix}`;
