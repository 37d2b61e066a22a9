import { existsSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { executableDirectory } from "../host/executable-directory.ts";
import { hostFacts } from "../host/facts.ts";
import { namesIn } from "../host/files.ts";
import { PASSED_ON } from "../kernel/signals.ts";
import { encode } from "../program/encode.ts";
import { executor } from "../program/executor.ts";
import { link } from "../program/link.ts";
import type { Program } from "../program/types.ts";

/** As old as a file must be before nobody can be about to execute it, whose process is not to be seen from here. */
const STALE_MS = 1000;

/** Files that were never performed, since their process was killed before it came to that. */
function sweepFiles(directory: string): void {
  for (const name of namesIn(directory)) {
    const pid = /^caisson-(\d+)-\w+$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const path = join(directory, name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat && stat.uid === process.geteuid?.() && Date.now() - stat.mtimeMs > STALE_MS) rmSync(path, { force: true });
  }
}

/** A name for the file to be performed; its program names it too, to remove it first thing. */
export const performedFile = (): string =>
  join(executableDirectory(hostFacts()), `caisson-${process.pid}-${process.hrtime.bigint().toString(36)}`);

/**
 * This process becomes the program. Where the runtime cannot do that, the program is its child, and it passes signals
 * on; so it is where file descriptors from 3 on are to be handed through, which Bun closes at execve(2).
 */
export const perform = (program: Program, file: string, descriptors = 0): Promise<number> =>
  performLinked(link(executor(), encode(program)), file, { descriptors });

/** The same for a program that is linked with the executor already, executed with words and an environment of its own. */
export async function performLinked(
  executable: Uint8Array,
  file: string,
  o: {
    readonly descriptors?: number;
    readonly words?: readonly string[];
    readonly environment?: Record<string, string>;
  } = {},
): Promise<number> {
  const { descriptors = 0, words = [], environment = {} } = o;
  sweepFiles(dirname(file));
  try {
    writeFileSync(file, executable, { mode: 0o700, flag: "wx" });
  } catch (e) {
    rmSync(file, { force: true });
    throw e;
  }
  const execve = (process as { execve?(file: string, args: string[], env: Record<string, string>): never }).execve;
  if (execve && descriptors === 0) {
    try {
      execve.call(process, file, ["caisson", ...words], environment);
    } catch (e) {
      unlinkSync(file);
      throw e;
    }
  }
  const { spawn } = await import("node:child_process");
  return new Promise((resolve, reject) => {
    const child = spawn(file, [...words], {
      stdio: Array.from({ length: 3 + descriptors }, (_, fd) => fd),
      env: environment,
      argv0: "caisson",
    });
    for (const signal of PASSED_ON) process.on(signal, () => child.kill(signal));
    child.on("error", (e) => {
      unlinkSync(file);
      reject(e);
    });
    child.on("exit", (code) => resolve(code ?? 125));
  });
}
