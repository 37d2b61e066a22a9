import { dirname } from "node:path";
import { isCompiled } from "../host/compiled.ts";
import type { HostFacts } from "../host/facts.ts";
import { places } from "../host/places.ts";
import { hashOf } from "../program/hash.ts";
import { wordsToFind } from "./environment-words.ts";

/** Of root's own state directory alone, and gone at boot: what was compiled for one kernel is not performed by another. */
export const DIRECTORY = "/run/caisson/commands";

/** Whether this is what keeps programs: a compiled command of root's. */
export const isKeeper = (facts: HostFacts): boolean => isCompiled() && facts.uid === 0 && !facts.userNamespace;

/** Whether state is where it is for all of root's runs, unless they are told of another place. */
export const isUsualState = (): boolean => dirname(DIRECTORY) === dirname(places().state);

/** How many words may come before a command for its program to be kept, and how many it may have itself. */
export const HASHED_WORDS = 24;
export const GIVEN_WORDS = 62;

/** A command line up to its command, and the directory in which it was given, if it would mean something else in others. */
export type Given = {
  readonly cwd: string | undefined;
  readonly words: readonly string[];
  /** Names that the words give to the command's environment, with whatever values. */
  readonly names: readonly string[];
};

/** The file in which it is said when the program for these words may be performed again, or, where that depends on the directory, what looks for such a file. */
export const checksFor = (words: readonly string[]): string => `${DIRECTORY}/${hashOf(words)}`;
export const checksOf = ({ cwd, words }: Given): string =>
  checksFor(cwd === undefined ? wordsToFind(words) : [...wordsToFind(words), cwd]);
