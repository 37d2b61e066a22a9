import { checksFor } from "./places.ts";

/** Commands of the runtime of which the programs are kept. */
export const VERBS = ["create", "run", "exec"] as const;
/** Among how many first words the command is looked for, and how many there may be in all. */
export const VERB_WITHIN = 8;
export const MOST_WORDS = 24;
/** Options whose values are names for once, as engines give them. */
export const FOR_ONCE = ["--pid-file", "--process", "-p"] as const;

/**
 * Engines make a bundle for each container, and tell the runtime of it by names for once: ids, UUIDs, times. What such a name has in a row, and
 * what is hashed of the configuration, without them: its beginning, since mounts may come in another order each time.
 */
export const NAMES_FOR_ONCE = { characters: "0123456789abcdef-:.TZ", least: 12 } as const;
export const HASHED_OF_CONFIG = 512;
/** By which the front tells the engine where what is kept for such a bundle is, in either of two places: a name in the environment. */
export const KEPT_AS = "CAISSON_KEPT_AS";

type Verb = (typeof VERBS)[number];
const isIn = (list: readonly string[], word: string | undefined) => word !== undefined && list.includes(word);

export const verbOf = (words: readonly string[]): Verb | undefined =>
  words.slice(0, VERB_WITHIN).find((w): w is Verb => isIn(VERBS, w));

/**
 * The words by which what is kept is found; the front takes the same ones (src/front/again.ts). Of "create" and "run" not the last, which is
 * the id: what is kept is for any.
 */
function wordsToFind(words: readonly string[]): readonly string[] | undefined {
  const verb = verbOf(words);
  if (verb === undefined || words.length > MOST_WORDS) return undefined;
  const last = verb === "exec" ? undefined : words.length - 1;
  return words.filter((_, i) => i !== last && !isIn(FOR_ONCE, words[i - 1]));
}

/** Where what is kept for these words of the runtime is. An `exec` is the same in whatever directory: engines make one for each. */
export function checksOfRuntime(cwd: string, words: readonly string[]): string | undefined {
  const found = wordsToFind(words);
  return found && checksFor(verbOf(words) === "exec" ? found : [cwd, ...found]);
}
