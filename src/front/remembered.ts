import { AT_FDCWD, O, PATH_MAX } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { HASH_START } from "../program/hash.ts";
import type { Slot } from "../program/types.ts";
import { argument, buffer, textBlock } from "../program/values.ts";
import { DIRECTORY, HASHED_WORDS } from "../remember/places.ts";
import { ANY } from "./container.ts";

const F_GETFD = 1;
/** Two words of a block, and more than a hash of 32 bits has. */
const DIGITS = 16;

/**
 * A command line that was given before, here, with whatever command: what was kept of its options says whether its program may be
 * performed again, and becomes it (src/remember/checks.ts). If that ends, it may not, and the engine compiles it. Where the options end, only
 * the engine knows: each word may be their last.
 */
export function remembered(s: SectionBuilder): void {
  const cwd = buffer("working directory", PATH_MAX);
  const known = s.get("ask for the working directory", "getcwd", [cwd, PATH_MAX], ANY);
  // A stream that is closed would be whatever is opened first: the engine opens something else there.
  const open = [0, 1, 2].map((fd) => s.get(`is stream ${fd} open?`, "fcntl", [fd, F_GETFD], ANY));
  const unless = (slots: readonly Slot[], body: () => void): void =>
    slots.length === 0 ? body() : s.skipIf(slots[0] as Slot, "<", 0, () => unless(slots.slice(1), body));
  unless([known, ...open], () => {
    const hash = s.program.slot("hash of the words");
    s.let(hash, HASH_START);
    s.hash(hash, cwd);
    const path = textBlock(`${DIRECTORY}/${"\0".repeat(DIGITS + 1)}`, "path of what is remembered");
    const checks = s.program.slot("what is remembered");
    for (let i = 1; i <= HASHED_WORDS; i++)
      // A command follows.
      s.skipIf(argument(i + 1), "==", 0, () => {
        s.hash(hash, argument(i));
        for (const at of [0, 8]) s.store(0, path, DIRECTORY.length + 1 + at, 8);
        s.format(hash, path, DIRECTORY.length + 1);
        const flags = O.RDONLY | O.NOFOLLOW | O.CLOEXEC;
        s.call("open what is remembered", "openat", [AT_FDCWD, path, flags, 0], { result: checks, ...ANY });
        s.skipIf(checks, "<", 0, () => {
          s.serve("perform it", checks, -1, ANY);
          s.call("close it", "close", [checks], ANY);
        });
      });
  });
}
