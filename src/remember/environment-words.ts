/** Options of which the value is a NAME=VALUE for the command's environment. */
export const ENVIRONMENT_OPTIONS = ["-e", "--env"] as const;
/** The command is looked for by its value: a program is for one. */
export const LOOKED_INTO = "PATH";
/** Bytes of a name by which a word is found. */
export const LONGEST_NAME = 255;

const isOption = (word: string | undefined) => ENVIRONMENT_OPTIONS.some((o) => o === word);
export const nameOf = (word: string) => word.split("=", 1)[0] as string;

/** The words by which what is kept is found: of a value only its name counts. The front takes the same ones (src/front/remembered.ts). */
export const wordsToFind = (words: readonly string[]): string[] =>
  words.map((word, i) => (isOption(words[i - 1]) && nameOf(word) !== LOOKED_INTO ? nameOf(word) : word));

/** Where values of a name are given. */
export const placesOf = (words: readonly string[], name: string): number[] =>
  words.flatMap((word, i) => (isOption(words[i - 1]) && word.startsWith(`${name}=`) ? [i] : []));

/** Where the one is that is meant. */
export const lastPlaceOf = (words: readonly string[], name: string): number => placesOf(words, name).at(-1) ?? 0;

/** As JavaScript keeps the order of its keys, and in ASCII. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * The names of which another value makes no difference to a program but that the command has it. `listed` are all values that the options were
 * understood to give: where another word gave one, too, it is not for the words to say which one is meant.
 */
export function namesForOnce(words: readonly string[], listed: readonly string[]): string[] {
  const given = words.filter((_, i) => isOption(words[i - 1]));
  if (given.length !== listed.length || given.some((word, i) => word !== listed[i])) return [];
  const names = given.map(nameOf);
  return [...new Set(names)].filter((n) => n !== LOOKED_INTO && n.length <= LONGEST_NAME && NAME.test(n));
}
