import type { Arch } from "../kernel/arch.ts";
import { AT_FDCWD } from "../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import { encode } from "../program/encode.ts";
import { asked } from "../program/frames.ts";
import { ANY } from "../program/types.ts";
import { argument } from "../program/values.ts";
import { become, type CallerFacts, raiseFiles, sameCaller, sameDirectory, sayableDirectory } from "./caller.ts";
import { beginningOf, type Condition, check, must } from "./conditions.ts";
import { lastPlaceOf, placesOf } from "./environment-words.ts";
import { mustBeLookedAfter } from "./others.ts";
import { checksOf, GIVEN_WORDS, type Given } from "./places.ts";

/** What the program of a command line was compiled from, beside its words. */
export type Found = CallerFacts & {
  readonly arch: Arch;
  /** Where the state of containers is, of a program that makes one. */
  readonly state?: string;
  readonly conditions: readonly Condition[];
  /** Whether the program asks where it is performed. */
  readonly where?: boolean;
};

/** The words themselves: the front has found this file by a hash of them. */
function sameWords(s: SectionBuilder, given: Given, where = false): void {
  const named = new Map(given.names.flatMap((name) => placesOf(given.words, name).map((at) => [at, name] as const)));
  for (const [i, word] of given.words.entries()) {
    const name = named.get(i);
    if (name === undefined) must(s, `word ${i + 1} is the same`, argument(i + 1), "same", word);
    else
      must(
        s,
        `word ${i + 1} is a value of ${name}`,
        beginningOf(s, argument(i + 1), name.length + 1),
        "same",
        `${name}=`,
      );
  }
  const command = given.words.length + 1;
  must(s, "there is a command", argument(command), ">", 0);
  must(s, "it can be handed on", argument(command + GIVEN_WORDS), "==", 0);
  if (given.words.at(-1) !== "--") must(s, "it is no option", beginningOf(s, argument(command), 1), "other", "-");
  if (given.cwd !== undefined) sameDirectory(s, given.cwd);
  else if (where) sayableDirectory(s);
}

/**
 * The program that the front performs when these words are given: it becomes the one in `file` if that is what would be compiled now, and
 * ends if not, or if anything fails; then the engine goes the usual way. In the frame that a step "serve" reads.
 */
export function checksProgram(given: Given, r: Found, file: string): Uint8Array {
  const program = new ProgramBuilder(r.arch);
  const s = program.section("checks");
  sameWords(s, given, r.where);
  sameCaller(s, r);
  check(s, r.conditions);
  if (r.state !== undefined) mustBeLookedAfter(s, r.state);
  // What is used is not forgotten.
  s.call("note that it was used", "utimensat", [AT_FDCWD, checksOf(given), 0, 0], ANY);
  raiseFiles(s);
  const command = Array.from({ length: GIVEN_WORDS }, (_, i) => argument(given.words.length + 1 + i));
  const values = given.names.map((name) => argument(lastPlaceOf(given.words, name) + 1));
  become(s, file, command, values);
  return asked(encode(program.build(), false));
}
