import { statx, wordOf } from "../compile/statx.ts";
import type { Arch } from "../kernel/arch.ts";
import { capabilityNames } from "../kernel/capabilities.ts";
import { AT, AT_FDCWD, CLOSE_RANGE_CLOEXEC, MOUNT_ATTR, OPEN_TREE, PATH_MAX, PR } from "../kernel/flags.ts";
import { rlimitNames } from "../kernel/rlimits.ts";
import { ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import { encode } from "../program/encode.ts";
import { asked } from "../program/frames.ts";
import { addressOf, argument, buffer, low, stringArray, struct } from "../program/values.ts";
import { type Condition, check, must } from "./conditions.ts";
import { checksOf, GIVEN_WORDS, type Given, SWEPT } from "./places.ts";

/** What the program of a command line was compiled from, beside its words. */
export type Found = {
  readonly arch: Arch;
  readonly gid: number;
  readonly bounding: readonly string[];
  /** Where the state of containers is. */
  readonly state: string;
  readonly conditions: readonly Condition[];
};

const CLOCK_MONOTONIC = 1;
const ANY = { ignore: "all" } as const;

/** The words themselves: the front has found this file by a hash of them. */
function sameWords(s: SectionBuilder, given: Given): void {
  for (const [i, word] of given.words.entries()) must(s, `word ${i + 1} is the same`, argument(i + 1), "same", word);
  const command = given.words.length + 1;
  must(s, "there is a command", argument(command), ">", 0);
  must(s, "it can be handed on", argument(command + GIVEN_WORDS), "==", 0);
  if (given.words.at(-1) !== "--") {
    const first = buffer("first character", 2);
    s.copy(argument(command), first, 0, 1);
    must(s, "it is no option", first, "other", "-");
  }
  const cwd = buffer("working directory", PATH_MAX);
  s.call("ask for the working directory", "getcwd", [cwd, PATH_MAX]);
  must(s, "it is the same", cwd, "same", given.cwd);
}

function sameCaller(s: SectionBuilder, r: Found): void {
  must(s, "the caller's group is the same", s.get("ask for the group", "getegid", []), "==", r.gid);
  const has = s.program.slot("has the capability?");
  for (const [n, name] of capabilityNames.entries()) {
    s.call(`may ${name} be given?`, "prctl", [PR.CAPBSET_READ, n, 0, 0, 0], { result: has, ...ANY });
    must(s, `${name} is as before`, has, r.bounding.includes(name) ? "==" : "<", 1);
  }
}

/** What killed supervisors left is removed by who looks for it, which is the engine: not here, so not for long. */
function nothingLeft(s: SectionBuilder, state: string): void {
  const NONE = 2;
  const here = statx(s, `look at ${state}`, state);
  must(s, "the state is there", here.result, "==", 0);
  s.skipIf(low(wordOf(here, "links")), "==", NONE, () => {
    const [until, seconds] = [s.program.slot("swept until"), s.program.slot("seconds")];
    s.program.slot("nanoseconds");
    const fd = s.get("open the note of the last look", "openat", [AT_FDCWD, SWEPT, 0, 0]);
    s.call("read it", "read", [fd, addressOf(until), 8]);
    s.call("close it", "close", [fd]);
    s.call("read the clock", "clock_gettime", [CLOCK_MONOTONIC, addressOf(seconds)]);
    must(s, "what was left was looked for a moment ago", seconds, "<", until);
  });
}

/** As the engine does for itself at its start: a command is to have the same limit either way. */
function raiseFiles(s: SectionBuilder): void {
  const [soft, hard] = [s.program.slot("limit of files"), s.program.slot("hard limit of files")];
  const both = buffer("rlimit", 16);
  const files = rlimitNames.indexOf("RLIMIT_NOFILE");
  s.call("ask for the limit of files", "prlimit64", [0, files, 0, addressOf(soft)]);
  for (const at of [0, 8]) s.store(hard, both, at, 8);
  s.call("raise it", "prlimit64", [0, files, both, 0]);
}

/** A container gets at the file it was started from by /proc/self/exe (CVE-2019-5736): this one is on a mount that nobody can write to. */
function become(s: SectionBuilder, { words }: Given, file: string): void {
  s.call("close all but the streams at exec", "close_range", [3, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  const fd = s.get("open the program", "open_tree", [AT_FDCWD, file, OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC]);
  const attributes = struct("mount_attr", [
    [8, MOUNT_ATTR.RDONLY],
    [8, MOUNT_ATTR.NOEXEC],
    [8, 0],
    [8, 0],
  ]);
  s.call("make it read-only", "mount_setattr", [fd, "", AT.EMPTY_PATH, attributes, attributes.bytes.length]);
  const argv = stringArray("argv", ["caisson", ...Array<string>(GIVEN_WORDS).fill("")]);
  for (let i = 1; i <= GIVEN_WORDS; i++) s.store(argument(words.length + i), argv, 8 * i, 8);
  const envp = stringArray("envp", []);
  s.call("become it", "execveat", [fd, "", argv, envp, AT.EMPTY_PATH]);
}

/**
 * The program that the front performs when these words are given: it becomes the one in `file` if that is what would be compiled now, and
 * ends if not, or if anything fails; then the engine goes the usual way. In the frame that a step "serve" reads.
 */
export function checksProgram(given: Given, r: Found, file: string): Uint8Array {
  const program = new ProgramBuilder(r.arch);
  const s = program.section("checks");
  sameWords(s, given);
  sameCaller(s, r);
  check(s, r.conditions);
  nothingLeft(s, r.state);
  // What is used is not forgotten.
  s.call("note that it was used", "utimensat", [AT_FDCWD, checksOf(given), 0, 0], ANY);
  raiseFiles(s);
  become(s, given, file);
  return asked(encode(program.build(), false));
}
