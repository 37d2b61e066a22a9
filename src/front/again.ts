import type { SectionBuilder } from "../program/builder.ts";
import { HASH_START } from "../program/hash.ts";
import { argument, toValue } from "../program/values.ts";
import { keptAs } from "../remember/kept-as.ts";
import { FOR_ONCE, MOST_WORDS, VERB_WITHIN, VERBS } from "../remember/runtime-words.ts";
import { withUsualCaller } from "./kept.ts";
import { ifSame } from "./words.ts";

/** A `create`, `run` or `exec` that was given before: found by the words that src/remember/runtime-words.ts says. */
export function givenAgain(s: SectionBuilder): void {
  const slot = (name: string) => s.program.slot(name);
  const [root, asked, last] = [slot("who is it?"), slot("is it one of them?"), slot("is the last word an id?")];
  const [hash, counts] = [slot("hash of the words"), slot("does the word count?")];
  s.call("ask who this is", "geteuid", [], { result: root });
  s.let(asked, 0);
  // The first one is the command: words after it may look like others.
  for (let i = VERB_WITHIN; i >= 1; i--)
    for (const verb of VERBS)
      ifSame(s, argument(i), verb, () => {
        s.let(asked, 1);
        s.let(last, verb === "exec" ? 0 : 1);
      });
  s.skipIf(root, "!=", 0, () =>
    s.skipIf(asked, "==", 0, () =>
      s.skipIf(argument(MOST_WORDS + 1), "!=", 0, () =>
        withUsualCaller(s, (cwd) => {
          const perform = keptAs(s);
          s.let(hash, HASH_START);
          s.skipIf(last, "==", 0, () => s.hash(hash, cwd));
          for (let i = 1; i <= MOST_WORDS; i++) {
            s.let(counts, argument(i));
            s.skipIf(last, "==", 0, () => s.skipIf(argument(i + 1), "!=", 0, () => s.let(counts, 0)));
            if (i > 1) for (const option of FOR_ONCE) ifSame(s, argument(i - 1), option, () => s.let(counts, 0));
            // No word at all leaves the hash as it is.
            s.hash(hash, toValue(counts));
          }
          perform(hash);
        }),
      ),
    ),
  );
}
