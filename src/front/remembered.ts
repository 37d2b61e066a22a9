import type { SectionBuilder } from "../program/builder.ts";
import { HASH_START } from "../program/hash.ts";
import { argument } from "../program/values.ts";
import { keptAs } from "../remember/kept-as.ts";
import { HASHED_WORDS } from "../remember/places.ts";
import { withUsualCaller } from "./kept.ts";

/**
 * A command line that was given before with whatever command: what was kept is for its options (src/remember/checks.ts). Where they
 * end, only the engine knows: each word may be their last.
 */
export function remembered(s: SectionBuilder): void {
  withUsualCaller(s, () => {
    const hash = s.program.slot("hash of the words");
    const perform = keptAs(s);
    s.let(hash, HASH_START);
    for (let i = 1; i <= HASHED_WORDS; i++)
      // A command follows.
      s.skipIf(argument(i + 1), "==", 0, () => {
        s.hash(hash, argument(i));
        perform(hash);
      });
  });
}
