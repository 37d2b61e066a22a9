import { createHash } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import type { Condition } from "../../remember/conditions.ts";
import { keepAt } from "../../remember/store.ts";
import { codeOf } from "../../values/code-of.ts";

/** What is said of a bundle, and what was compiled for it, to be compared with the next one like it. */
export type Sample = {
  /** Names for once that are in it, in the order in which they come. */
  readonly names: readonly string[];
  /** Of all that is said and was compiled, but for the names: equal digests are of bundles that differ in nothing else. */
  readonly digest: string;
};

/** RFC 3339, UUIDs, and ids of hexadecimal digits. What JSON has as a number is none. */
const NAMES =
  /\d{4}-\d\d-\d\dT[\d:.]+Z|(?<![\da-f:,[])(?:[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|[\da-f]{12,})(?![\da-f])/g;

/** `program`: encoded, a character for each byte. */
export function sampleOf(words: readonly string[], conditions: readonly Condition[], program: string): Sample {
  const found = JSON.stringify({ words, conditions }, (_, v: unknown) => (typeof v === "bigint" ? `n:${v}` : v));
  const names = [...new Set(found.match(NAMES) ?? [])];
  const numbered = names.map((name, i) => ({ name, as: `\0${i}\0` }));
  // A container's host name is the beginning of its id.
  numbered.sort((a, b) => b.name.length - a.name.length);
  const without = numbered.reduce((text, { name, as }) => text.replaceAll(name, as), `${found}\0${program}`);
  return { names, digest: createHash("sha256").update(without).digest("hex") };
}

const fileOf = (checks: string) => `${checks}.sample`;

/** All of it at once: others may look for it meanwhile. */
export const writeSample = (checks: string, sample: Sample): void =>
  keepAt(fileOf(checks), Buffer.from(JSON.stringify(sample)));

/** Each is compared once. */
export function takeSample(checks: string): Sample | undefined {
  try {
    return JSON.parse(readFileSync(fileOf(checks), "utf8")) as Sample;
  } catch (e) {
    // Whatever is wrong with it, nothing was compared.
    if (e instanceof SyntaxError || codeOf(e) !== undefined) return undefined;
    throw e;
  } finally {
    rmSync(fileOf(checks), { force: true });
  }
}

/** None is in another, but for the beginning of the id. */
const areApart = (names: readonly string[], id: string): boolean =>
  names.every((a) => !names.some((b) => a !== b && b.includes(a) && !(b === id && b.startsWith(a))));

/** The names that are others in the next bundle, the id among them, if it differs in nothing else. */
export function namesForOnce(own: Sample, other: Sample, id: string): readonly string[] | undefined {
  if (own.digest !== other.digest) return undefined;
  const names = own.names.filter((name, i) => name !== other.names[i]);
  return names.includes(id) && areApart(own.names, id) ? names : undefined;
}
