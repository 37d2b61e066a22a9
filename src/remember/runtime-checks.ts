import type { Arch } from "../kernel/arch.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import type { Program, Value } from "../program/types.ts";
import { argument, buffer, into, toValue } from "../program/values.ts";
import { become, type CallerFacts, raiseFiles, sameCaller, sameDirectory } from "./caller.ts";
import { type Condition, check, checkFile, must, type textNow } from "./conditions.ts";

/** A word of the command line: the same again, another one of as many characters, of these and no others, or the name of a file with this text. */
export type Word =
  | { readonly kind: "same"; readonly text: string }
  | { readonly kind: "other"; readonly length: number; readonly characters: string }
  | { readonly kind: "file"; readonly text: ReturnType<typeof textNow> };

/** What a program of the runtime was compiled from. */
export type RuntimeFound = CallerFacts & {
  readonly arch: Arch;
  /** Where a path may be said from here. */
  readonly cwd?: string;
  readonly words: readonly Word[];
  readonly conditions: readonly Condition[];
  readonly log: string | undefined;
  /** Where the engine goes before the program is performed. */
  readonly bundle?: string;
  /** What the program is executed with after the words that were other ones. */
  readonly more?: readonly Value[];
  /** Whether it is to have the environment, which hooks have then. */
  readonly inherits?: boolean;
};

/** With these in the environment more is to be done than the words say: sd_notify(3), sd_listen_fds(3). */
const MORE = ["NOTIFY_SOCKET=", "LISTEN_FDS="];

function otherWord(s: SectionBuilder, at: number, word: Word & { kind: "other" }): void {
  const given = argument(at);
  const copied = buffer("given word", word.length + 2);
  s.copy(given, copied, 0, word.length + 1);
  must(s, `word ${at} is as long`, into(copied, word.length), "same", "");
  must(s, `word ${at} is as long`, into(copied, word.length - 1), "other", "");
  must(s, `word ${at} is a name`, given, "only", word.characters);
  for (const special of [".", ".."]) must(s, `word ${at} is a name`, given, "other", special);
}

function sameWords(s: SectionBuilder, { words, cwd }: RuntimeFound): void {
  for (const [i, word] of words.entries())
    if (word.kind === "same") must(s, `word ${i + 1} is the same`, argument(i + 1), "same", word.text);
    else if (word.kind === "other") otherWord(s, i + 1, word);
  must(s, "there are no more", argument(words.length + 1), "==", 0);
  if (cwd !== undefined) sameDirectory(s, cwd);
  const told = s.program.slot("is there more to do?");
  for (const name of MORE) {
    s.let(told, 1);
    s.skipIf(toValue(name), "environment", 0, () => s.let(told, 0));
    must(s, `no ${name}`, told, "==", 0);
  }
}

/** As the engine does it: a log that cannot be written to is an error, and one that is not there is made. */
function openLog(s: SectionBuilder, log: string): void {
  const flags = O.WRONLY | O.CREAT | O.APPEND | O.CLOEXEC;
  const fd = s.get("open the log", "openat", [AT_FDCWD, log, flags, 0o666]);
  s.call("close the log", "close", [fd]);
}

/**
 * The program that the runtime's front performs when these words are given: it becomes the one in `file`, which gets the other words, if that is
 * what would be compiled now, and ends if not; then the engine goes the usual way. Nothing is done before all of it was checked.
 */
export function runtimeChecks(r: RuntimeFound, self: string, file: string): Program {
  const program = new ProgramBuilder(r.arch);
  const s = program.section("checks");
  sameWords(s, r);
  sameCaller(s, r);
  check(s, r.conditions);
  for (const [i, word] of r.words.entries())
    if (word.kind === "file") {
      must(s, "a file is named", argument(i + 1), "other", "");
      checkFile(s, argument(i + 1), word.text);
    }
  s.call("note that it was used", "utimensat", [AT_FDCWD, self, 0, 0], { ignore: "all" });
  if (r.log !== undefined) openLog(s, r.log);
  raiseFiles(s);
  if (r.bundle !== undefined) s.call("go to the bundle", "chdir", [r.bundle]);
  const others = r.words.flatMap((w, i) => (w.kind === "other" ? [argument(i + 1)] : []));
  become(s, file, [...others, ...(r.more ?? [])], r.inherits ? "all" : []);
  return program.build();
}
