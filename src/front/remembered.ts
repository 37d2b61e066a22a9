import type { SectionBuilder } from "../program/builder.ts";
import { HASH_START } from "../program/hash.ts";
import type { Block, Slot } from "../program/types.ts";
import { argument, buffer, into, toValue } from "../program/values.ts";
import { ENVIRONMENT_OPTIONS, LONGEST_NAME, LOOKED_INTO } from "../remember/environment-words.ts";
import { keptAs } from "../remember/kept-as.ts";
import { HASHED_WORDS } from "../remember/places.ts";
import { withUsualCaller } from "./kept.ts";
import { ifSame } from "./words.ts";

/** As `wordsToFind` has it: `word` is what of it is hashed. */
function findBy(s: SectionBuilder, i: number, word: Slot, name: Block): void {
  s.let(word, argument(i));
  if (i === 1) return;
  for (const option of ENVIRONMENT_OPTIONS) ifSame(s, argument(i - 1), option, () => s.let(word, 0));
  s.skipIf(word, "!=", 0, () => {
    s.copy(argument(i), name, 0, LONGEST_NAME, "=");
    s.let(word, into(name));
    ifSame(s, name, LOOKED_INTO, () => s.let(word, argument(i)));
  });
}

/**
 * A command line that was given before with whatever command: what was kept is for its options (src/remember/checks.ts). Where they
 * end, only the engine knows: each word may be their last.
 */
export function remembered(s: SectionBuilder): void {
  withUsualCaller(s, () => {
    const hash = s.program.slot("hash of the words");
    const [word, name] = [s.program.slot("what counts of the word"), buffer("name of a value", LONGEST_NAME + 1)];
    const perform = keptAs(s);
    s.let(hash, HASH_START);
    for (let i = 1; i <= HASHED_WORDS; i++)
      // A command follows.
      s.skipIf(argument(i + 1), "==", 0, () => {
        findBy(s, i, word, name);
        s.hash(hash, toValue(word));
        perform(hash);
      });
  });
}
