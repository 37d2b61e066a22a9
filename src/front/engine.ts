import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { toValue } from "../program/values.ts";
import { argument, ifSame } from "./words.ts";

/** What ends in milliseconds is not worth compiling: to make room and threads for that takes a tenth of such a command's time. */
export const FOR_THE_ENGINE = "BUN_JSC_useJIT=0";

/** The first slot of a front's program: native/front.c puts the string into the engine's environment if it is 1 at the end. */
export const engineSlot = (s: SectionBuilder): Slot => s.program.slot("is the engine told that it is not for long?");

/** One that is told already is not told again. */
export const tell = (s: SectionBuilder, told: Slot): void =>
  s.skipIf(toValue("BUN_JSC_useJIT="), "environment", 0, () => s.let(told, 1));

/** Tells it, if a word of the command line is one of these. */
export function tellFor(s: SectionBuilder, told: Slot, places: number, words: readonly string[]): void {
  for (let i = 1; i <= places; i++) for (const word of words) ifSame(s, argument(i), word, () => tell(s, told));
}

/** Does not, if one is. */
export function unlessAny(s: SectionBuilder, told: Slot, places: number, words: readonly string[]): void {
  for (let i = 2; i <= places; i++) for (const word of words) ifSame(s, argument(i), word, () => s.let(told, 0));
}
