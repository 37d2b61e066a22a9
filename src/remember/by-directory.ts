import type { Arch } from "../kernel/arch.ts";
import { AT_FDCWD } from "../kernel/flags.ts";
import { ProgramBuilder } from "../program/builder.ts";
import { encode } from "../program/encode.ts";
import { asked } from "../program/frames.ts";
import { hashOf } from "../program/hash.ts";
import { ANY } from "../program/types.ts";
import { askWhere } from "./caller.ts";
import { wordsToFind } from "./environment-words.ts";
import { keptAs } from "./kept-as.ts";
import { checksFor } from "./places.ts";

/** Where words mean something else in each directory, this is found by them, and performs what is kept for the one in which they are given. */
export function byDirectory(arch: Arch, given: readonly string[]): Uint8Array {
  const words = wordsToFind(given);
  const program = new ProgramBuilder(arch);
  const s = program.section("by directory");
  const here = askWhere(s);
  s.call("note that it was used", "utimensat", [AT_FDCWD, checksFor(words), 0, 0], ANY);
  const hash = program.slot("hash of the words and of the directory");
  s.let(hash, hashOf(words));
  s.hash(hash, here);
  keptAs(s)(hash);
  return asked(encode(program.build(), false));
}
