import { AT_FDCWD, O, SEEK_END } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { HASH_START } from "../program/hash.ts";
import { ANY, type Slot } from "../program/types.ts";
import { argument, buffer, textBlock, toValue } from "../program/values.ts";
import { keptAs } from "../remember/kept-as.ts";
import {
  FOR_ONCE,
  HASHED_OF_CONFIG,
  KEPT_AS,
  MOST_WORDS,
  NAMES_FOR_ONCE,
  VERB_WITHIN,
  VERBS,
} from "../remember/runtime-words.ts";
import { withUsualCaller } from "./kept.ts";
import { ifSame } from "./words.ts";

/** A number in decimal, as the executor may write one. */
const DIGITS = 21;
/** Of those, what a hash of 32 bits has. */
const FIELD = 11;

/** Where an engine's bundle is: it says so. 0: nobody did. */
function bundleOf(s: SectionBuilder): Slot {
  const bundle = s.program.slot("bundle");
  s.let(bundle, 0);
  for (let i = 1; i < MOST_WORDS; i++)
    for (const option of ["--bundle", "-b"]) ifSame(s, argument(i), option, () => s.let(bundle, argument(i + 1)));
  return bundle;
}

/**
 * A bundle that is like one before, but for names for once (src/oci/kept/engine.ts): found by the words, the size of its configuration, and the
 * beginning of that, or what comes before the environment. What it is found by is told to the engine, so that only one of the two has to know.
 */
function likeBefore(s: SectionBuilder, perform: (hash: Slot) => void, key: Slot): void {
  const [head, size] = [buffer("beginning of the configuration", HASHED_OF_CONFIG + 1), buffer("its size", DIGITS)];
  const first = buffer("what comes before its environment", HASHED_OF_CONFIG + 1);
  const told = textBlock(`${KEPT_AS}=${" ".repeat(2 * FIELD)}${"\0".repeat(DIGITS)}`, "where it is kept");
  const bundle = bundleOf(s);
  s.skipIf(bundle, "==", 0, () => {
    const flags = O.PATH | O.DIRECTORY | O.CLOEXEC;
    const directory = s.get("open the bundle", "openat", [AT_FDCWD, bundle, flags, 0], ANY);
    const readable = O.RDONLY | O.NONBLOCK | O.CLOEXEC;
    const config = s.get("open the configuration", "openat", [directory, "config.json", readable, 0], ANY);
    const read = s.get("read its beginning", "read", [config, head, HASHED_OF_CONFIG], ANY);
    const end = s.get("how long is it?", "lseek", [config, 0, SEEK_END], ANY);
    for (const fd of [config, directory]) s.call("close what was for that", "close", [fd], ANY);
    s.skipIf(read, "<", 1, () => {
      s.format(end, size, 0);
      // A list of arguments, or of groups, ends there.
      s.copy(head, first, 0, HASHED_OF_CONFIG, "]");
      const words = s.program.slot("hash of the words without names for once");
      s.let(words, HASH_START);
      for (let i = 1; i <= MOST_WORDS; i++) s.hash(words, argument(i), NAMES_FOR_ONCE);
      const hashes = [first, head].map((text, i) => {
        const hash = s.program.slot("hash of a bundle");
        s.let(hash, words);
        s.hash(hash, text, NAMES_FOR_ONCE);
        s.hash(hash, size);
        s.format(hash, told, KEPT_AS.length + 1 + i * FIELD);
        return hash;
      });
      for (const hash of hashes) perform(hash);
      s.let(key, toValue(told));
    });
  });
}

/**
 * A `create`, `run` or `exec` that was given before: found by the words that src/remember/runtime-words.ts says. `key` is where the engine is told of
 * what it could be found by the next time.
 */
export function givenAgain(s: SectionBuilder, key: Slot): void {
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
          s.skipIf(last, "==", 0, () => likeBefore(s, perform, key));
        }),
      ),
    ),
  );
}
