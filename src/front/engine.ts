import { errno } from "../kernel/errno.ts";
import { PATH_MAX, PROC_SUPER_MAGIC } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { addressOf, argument, buffer, textBlock, toValue } from "../program/values.ts";
import { ifSame } from "./words.ts";

/** What ends in milliseconds is not worth compiling: to make room and threads for that takes a tenth of such a command's time. */
export const FOR_THE_ENGINE = "BUN_JSC_useJIT=0";

/** The first slots of a front's program: native/front.c puts the strings at these addresses into the engine's environment, if they are any at the end. */
export const forEngine = (s: SectionBuilder): { readonly brief: Slot; readonly key: Slot } => ({
  brief: s.program.slot("is the engine told that it is not for long?"),
  key: s.program.slot("is it told where to keep what it compiles?"),
});

const STANDARD_ERROR = 2;
/** struct statfs of 64 bits begins with the type of the file system. statfs(2) */
const STATFS_WORDS = 15;

/** An engine that finds no procfs is aborted with words about itself; what is wrong, and what to do, is said instead. */
export function needProc(s: SectionBuilder, name: string, status: number): void {
  const words = Array.from({ length: STATFS_WORDS }, (_, i) => s.program.slot(`word ${i} of what /proc is`));
  const [type] = words as [Slot];
  s.call("look for procfs", "statfs", ["/proc", addressOf(type)], ANY);
  s.skipIf(type, "==", PROC_SUPER_MAGIC, () => {
    tell(s, "say that it is missing", `${name}: procfs is not mounted on /proc: mount -t proc proc /proc\n`, status);
  });
}

/** Last words, where there is no engine to say them. */
export function tell(s: SectionBuilder, label: string, said: string, status: number): void {
  const text = textBlock(said);
  s.call(label, "write", [STANDARD_ERROR, text, text.bytes.length], ANY);
  s.exit(status);
}

/** An engine does nothing at all in a directory that is gone, which whoever calls may not know of; `first` is for whom it matters to. getcwd(2) */
export function leaveGone(s: SectionBuilder, first = () => {}): void {
  const here = s.get("ask where this is", "getcwd", [buffer("the working directory", PATH_MAX), PATH_MAX], ANY);
  s.skipIf(here, "!=", -errno("ENOENT"), () => {
    first();
    s.call("leave what is gone", "chdir", ["/"], ANY);
  });
}

/**
 * Tells it if one of the first words is one of `words`, and none of the options is one of `unless`. One that is told already, either way,
 * is not told again.
 */
export function tellEngine(
  s: SectionBuilder,
  brief: Slot,
  o: { places: number; words: readonly string[]; unless?: { places: number; words: readonly string[] } },
): void {
  const each = (from: number, to: number, words: readonly string[], value: number | string) => {
    for (let i = from; i <= to; i++) for (const word of words) ifSame(s, argument(i), word, () => s.let(brief, value));
  };
  s.skipIf(toValue("BUN_JSC_useJIT="), "environment", 0, () => {
    each(1, o.places, o.words, FOR_THE_ENGINE);
    if (o.unless) each(2, o.unless.places, o.unless.words, 0);
  });
}
