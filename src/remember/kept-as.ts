import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { textBlock } from "../program/values.ts";
import { DIRECTORY } from "./places.ts";

/** Two words of a block, and more than a hash of 32 bits has. */
const DIGITS = 16;

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
