import { hashOf } from "../program/hash.ts";

/** Of root's own state directory alone, and gone at boot: what was compiled for one kernel is not performed by another. */
export const DIRECTORY = "/run/caisson/commands";
/** Until when (seconds of the monotonic clock) nobody need look for what killed supervisors left. */
export const SWEPT = `${DIRECTORY}/swept`;

/** How many words of a command line its name is made of. All are compared in the end. */
export const HASHED_WORDS = 40;

/** A command line, and the directory in which it was given. */
export type Given = { readonly cwd: string; readonly words: readonly string[] };

/** The file in which it is said when the program for it may be performed again. */
export const checksOf = ({ cwd, words }: Given): string =>
  `${DIRECTORY}/${hashOf([cwd, ...words.slice(0, HASHED_WORDS)])}`;
