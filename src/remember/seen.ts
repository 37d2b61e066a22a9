import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ensureDirectory } from "../host/places.ts";
import { codeOf } from "../values/code-of.ts";
import { DIRECTORY } from "./places.ts";

/** Command lines of which the program is kept at most, some 100 KB each, and of which only that they were given. */
const MOST = { kept: 64, seen: 256 } as const;
/** How many of those that were only given are left then: to look at each takes longer than what would be saved. */
const LEFT = 128;
/** For how long what was used is not to go for another: were there more in use than can be kept, each would be compiled to be kept, and gone before it is used. */
const IN_USE_MS = 60_000;
/** Bytes: what is kept has more. */
const LONGEST_NOTE = 200;
const NAME = /^\d+$/;

type Line = { readonly name: string; readonly isKept: boolean; readonly given: number };

function lines(): Line[] {
  return readdirSync(DIRECTORY)
    .filter((n) => NAME.test(n))
    .flatMap((name) => {
      const stat = statSync(join(DIRECTORY, name), { throwIfNoEntry: false });
      return stat ? [{ name, isKept: stat.size > LONGEST_NOTE, given: stat.mtimeMs }] : [];
    })
    .sort((a, b) => b.given - a.given);
}

/** Whether there is a program for words, of which the checks would be in this file. */
export const isKept = (path: string): boolean => (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LONGEST_NOTE;

/** Those that were not given for the longest time go. */
export function forgetOldest(): void {
  const all = lines();
  const [kept, seen] = [all.filter((l) => l.isKept), all.filter((l) => !l.isKept)];
  const old = new Set([...kept.slice(MOST.kept), ...seen.slice(LEFT)].map((l) => l.name));
  for (const n of readdirSync(DIRECTORY))
    if (old.has(n.split(".")[0] ?? "")) rmSync(join(DIRECTORY, n), { force: true });
}

function isRoom(): boolean {
  const kept = lines().filter((l) => l.isKept);
  return kept.length < MOST.kept || Date.now() - (kept.at(-1)?.given ?? 0) > IN_USE_MS;
}

/** What is noted of words whose programs are not alike. */
const IN_VAIN = "-";

/** They are not to be kept: what was compiled for them is another program each time. */
export const giveUp = (path: string): void => writeFileSync(path, IN_VAIN, { mode: 0o600 });

/** What was noted of words that were given, if it was. */
function noted(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && stat.size <= LONGEST_NOTE ? readFileSync(path, "utf8") : undefined;
}

/**
 * Whether to keep the program of words, of which the checks would be in a file: if they were given before, and the same was noted then. To keep a
 * program costs more than to compile it once more, so that what is given once is only noted.
 */
export function isToBeKept(path: string, note = ""): boolean {
  try {
    const before = noted(path);
    if (before === note) return isRoom();
    if (before === IN_VAIN) return false;
    ensureDirectory(DIRECTORY);
    writeFileSync(path, note, { mode: 0o600 });
    // To look at each takes longer than to count them.
    if (readdirSync(DIRECTORY).filter((n) => NAME.test(n)).length > MOST.seen) forgetOldest();
  } catch (e) {
    // As for all that is kept: where it cannot be written, it is not.
    if (codeOf(e) === undefined) throw e;
  }
  return false;
}
