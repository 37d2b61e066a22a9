import { readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { checksProgram, type Found } from "./checks.ts";
import { checksOf, DIRECTORY, type Given, SWEPT } from "./places.ts";
import { forgetOldest } from "./seen.ts";

/** For how long a run need not look for what killed supervisors left, where other containers are. */
const SWEPT_SECONDS = 2;

function noteSweep(): void {
  const seconds = Buffer.alloc(8);
  seconds.writeBigUInt64LE(BigInt(process.hrtime()[0] + SWEPT_SECONDS));
  writeFileSync(SWEPT, seconds, { mode: 0o600 });
}

/**
 * Keeps an executable program for when the same words are given again. The program first, then what leads to it, so that who finds that finds
 * both; whoever does not, has the engine compile it. Nothing depends on it: where it cannot be written, or what it depends on cannot be looked at, it is not.
 */
export function remember(given: Given, look: () => Found, executable: Uint8Array): void {
  const checks = checksOf(given);
  const file = `${checks}.${process.pid}-${process.hrtime.bigint().toString(36)}`;
  try {
    noteSweep();
    writeFileSync(file, executable, { mode: 0o700, flag: "wx" });
    writeFileSync(`${file}.new`, checksProgram(given, look(), file), { mode: 0o600, flag: "wx" });
    renameSync(`${file}.new`, checks);
    const before = readdirSync(DIRECTORY).filter((n) => n.startsWith(`${basename(checks)}.`) && n !== basename(file));
    for (const n of before) rmSync(join(DIRECTORY, n), { force: true });
    forgetOldest();
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === undefined) throw e;
    for (const path of [file, `${file}.new`]) rmSync(path, { force: true });
  }
}
