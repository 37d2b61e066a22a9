import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { codeOf } from "../values/code-of.ts";
import { DIRECTORY } from "./places.ts";
import { forgetOldest } from "./seen.ts";

/**
 * Keeps an executable program for when the same words are given again. The program first, then what leads to it, so that who finds that finds
 * both; whoever does not, has the engine compile it. Nothing depends on it: where it cannot be written, or what it depends on cannot be looked at, it is not.
 */
export function remember(checks: string, executable: Uint8Array, checking: (file: string) => Uint8Array): void {
  const file = `${checks}.${process.pid}-${process.hrtime.bigint().toString(36)}`;
  try {
    writeFileSync(file, executable, { mode: 0o700, flag: "wx" });
    writeFileSync(`${file}.new`, checking(file), { mode: 0o600, flag: "wx" });
    renameSync(`${file}.new`, checks);
    const before = readdirSync(DIRECTORY).filter((n) => n.startsWith(`${basename(checks)}.`) && n !== basename(file));
    for (const n of before) rmSync(join(DIRECTORY, n), { force: true });
    forgetOldest();
  } catch (e) {
    if (codeOf(e) === undefined) throw e;
    for (const path of [file, `${file}.new`]) rmSync(path, { force: true });
  }
}

/** Keeps a program that has nothing of its own to be forgotten: all of it at once. As for all that is kept: where it cannot be written, it is not. */
export function keepAt(path: string, program: Uint8Array): void {
  const file = `${path}.${process.pid}.new`;
  try {
    writeFileSync(file, program, { mode: 0o600, flag: "wx" });
    renameSync(file, path);
  } catch (e) {
    if (codeOf(e) === undefined) throw e;
    rmSync(file, { force: true });
  }
}
