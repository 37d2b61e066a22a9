import { statfsSync } from "node:fs";
import { UnsupportedError } from "../values/errors.ts";
import type { HostFacts } from "./facts.ts";
import { mountOf } from "./mountinfo.ts";
import { ensureDirectory, places } from "./places.ts";

/** More than an executor and its program take. */
const ROOM = 1 << 20;
const SHARED = "/dev/shm";

/** Whether there is a file system that takes what is written; one without blocks or inodes of its own has no limit of them. */
function hasRoom(directory: string): boolean {
  try {
    const { blocks, bavail, bsize, files, ffree } = statfsSync(directory);
    return (blocks === 0 || bavail * bsize >= ROOM) && (files === 0 || ffree > 0);
  } catch {
    return false;
  }
}

/**
 * Where what is written can be executed: /run is mounted noexec on many machines, and /dev/shm within Docker's containers,
 * where it is small, too; some machines have none.
 */
export function executableDirectory(facts: HostFacts): string {
  for (const place of [() => SHARED, () => places().state, () => places().data]) {
    const directory = place();
    const mount = mountOf(facts.mounts, directory);
    const flags = mount && [...mount.options, ...mount.superOptions];
    if (flags?.includes("noexec") || flags?.includes("ro")) continue;
    if (directory !== SHARED) ensureDirectory(directory);
    if (hasRoom(directory)) return directory;
  }
  throw new UnsupportedError(
    "running a program",
    `no place for it: ${SHARED}, ${places().state} and ${places().data} are read-only, full or mounted noexec`,
  );
}
