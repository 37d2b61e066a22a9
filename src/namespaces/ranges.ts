import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readOptional } from "../cgroups/files.ts";
import type { IdMap } from "../compile/spec.ts";
import { namesIn } from "../host/files.ts";
import { isCode } from "../values/code-of.ts";

/** A range of ids of this machine's: subuid(5). */
export type IdRange = { readonly start: number; readonly size: number };

/** As many as a distribution uses. */
export const RANGE = 65536;
/** Above what people and distributions give away; and below what some programs take for negative. */
const FIRST = 2 ** 30;
const LAST = 2 ** 31;

const read = (path: string) => readOptional(path) ?? "";

/** Lines of "name-or-id:start:size". */
export const parseSubIds = (text: string): { readonly owner: string; readonly range: IdRange }[] =>
  text.split("\n").flatMap((line) => {
    const [owner = "", start, size] = line.split(":");
    return start && size ? [{ owner, range: { start: Number(start), size: Number(size) } }] : [];
  });

/** The ranges that a user may map. Source: /etc/subuid and /etc/subgid. */
export const subIdsOf = (kind: "uid" | "gid", names: readonly string[]): IdRange[] =>
  parseSubIds(read(`/etc/sub${kind}`)).flatMap(({ owner, range }) => (names.includes(owner) ? [range] : []));

/** A caller's own id as the container's root, and what it may map behind that: user_namespaces(7), newuidmap(1). */
export function mapsWithSubIds(own: number, ranges: readonly IdRange[]): IdMap[] {
  const maps: IdMap[] = [{ containerID: 0, hostID: own, size: 1 }];
  let next = 1;
  for (const { start, size } of ranges) {
    maps.push({ containerID: next, hostID: start, size });
    next += size;
  }
  return maps;
}

const overlap = (a: IdRange, b: IdRange) => a.start < b.start + b.size && b.start < a.start + a.size;

/** Ranges that nobody else was given, those of the user "caisson" in /etc/subuid first. */
function* candidates(): Generator<IdRange> {
  const entries = [...parseSubIds(read("/etc/subuid")), ...parseSubIds(read("/etc/subgid"))];
  for (const { owner, range } of parseSubIds(read("/etc/subuid")))
    if (owner === "caisson")
      for (let at = range.start; at + RANGE <= range.start + range.size; at += RANGE) yield { start: at, size: RANGE };
  for (let at = FIRST; at < LAST; at += RANGE) {
    const range = { start: at, size: RANGE };
    if (!entries.some((e) => e.owner !== "caisson" && overlap(e.range, range))) yield range;
  }
}

/** The first range that no container has: whoever makes its file has it. */
export function proposeRange(directory: string): IdRange {
  const taken = new Set(namesIn(directory));
  for (const range of candidates()) if (!taken.has(String(range.start))) return range;
  throw new RangeError("all ranges of ids are taken");
}

export const rangeFile = (directory: string, r: IdRange): string => join(directory, String(r.start));

/** Takes a range: false if somebody was faster. */
export function takeRange(
  directory: string,
  r: IdRange,
  holder: { readonly container: string; readonly pid: number },
): boolean {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(rangeFile(directory, r), JSON.stringify(holder), { flag: "wx" });
    return true;
  } catch (e) {
    if (isCode(e, "EEXIST")) return false;
    throw e;
  }
}

/** Ranges whose holders are not there any more. */
export function sweepRanges(directory: string, isThere: (holder: { container: string; pid: number }) => boolean): void {
  for (const name of namesIn(directory)) {
    const text = read(join(directory, name));
    if (text !== "" && !isThere(JSON.parse(text))) rmSync(join(directory, name), { force: true });
  }
}

export const mapOf = (r: IdRange): IdMap[] => [{ containerID: 0, hostID: r.start, size: r.size }];
