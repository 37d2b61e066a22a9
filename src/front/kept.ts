import { AT_FDCWD, O, PATH_MAX } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { buffer, textBlock } from "../program/values.ts";
import { DIRECTORY } from "../remember/places.ts";

const F_GETFD = 1;
/** Two words of a block, and more than a hash of 32 bits has. */
const DIGITS = 16;

/**
 * `body` is performed with the working directory, unless that is not to be had. A stream that is closed would be whatever is opened first:
 * the engine opens something else there.
 */
export function withUsualCaller(s: SectionBuilder, body: (cwd: ReturnType<typeof buffer>) => void): void {
  const cwd = buffer("working directory", PATH_MAX);
  const known = s.get("ask for the working directory", "getcwd", [cwd, PATH_MAX], ANY);
  const open = [0, 1, 2].map((fd) => s.get(`is stream ${fd} open?`, "fcntl", [fd, F_GETFD], ANY));
  const unless = (slots: readonly Slot[]): void =>
    slots.length === 0 ? body(cwd) : s.skipIf(slots[0] as Slot, "<", 0, () => unless(slots.slice(1)));
  unless([known, ...open]);
}

/**
 * Performs what is kept by this hash, if something is: checks, which become the program that was kept (src/remember). If they end, it may
 * not be performed, and the engine compiles it.
 */
export function keptAs(s: SectionBuilder): (hash: Slot) => void {
  const path = textBlock(`${DIRECTORY}/${"\0".repeat(DIGITS + 1)}`, "path of what is kept");
  const checks = s.program.slot("what is kept");
  return (hash) => {
    for (const at of [0, 8]) s.store(0, path, DIRECTORY.length + 1 + at, 8);
    s.format(hash, path, DIRECTORY.length + 1);
    const flags = O.RDONLY | O.NOFOLLOW | O.CLOEXEC;
    s.call("open what is kept", "openat", [AT_FDCWD, path, flags, 0], { result: checks, ...ANY });
    s.skipIf(checks, "<", 0, () => {
      s.serve("perform it", checks, -1, ANY);
      s.call("close it", "close", [checks], ANY);
    });
  };
}
