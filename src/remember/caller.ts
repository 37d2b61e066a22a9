import { SAID_AS_IT_IS } from "../compile/here.ts";
import { ownEnvironment } from "../compile/own-file.ts";
import { capabilityNames } from "../kernel/capabilities.ts";
import { AT, AT_FDCWD, CLOSE_RANGE_CLOEXEC, MOUNT_ATTR, OPEN_TREE, PATH_MAX, PR } from "../kernel/flags.ts";
import { rlimitNames } from "../kernel/rlimits.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Block, type Value } from "../program/types.ts";
import { addressOf, buffer, type Loose, stringArray, struct } from "../program/values.ts";
import { beginningOf, must } from "./conditions.ts";

/** Whoever has given the words: its group, and what it may give to others. Who it is, the front has asked. */
export type CallerFacts = { readonly gid: number; readonly bounding: readonly string[] };

export function askWhere(s: SectionBuilder): Block {
  const here = buffer("working directory", PATH_MAX);
  s.call("ask for the working directory", "getcwd", [here, PATH_MAX]);
  return here;
}

/** Given in the same directory. */
export const sameDirectory = (s: SectionBuilder, cwd: string): void =>
  must(s, "it is the same", askWhere(s), "same", cwd);

/** Given in one of which the program can say which it is. */
export function sayableDirectory(s: SectionBuilder): void {
  const here = askWhere(s);
  must(s, "it can be said as it is", here, "only", SAID_AS_IT_IS);
  must(s, "it can be reached", beginningOf(s, here, 1), "same", "/");
}

export function sameCaller(s: SectionBuilder, r: CallerFacts): void {
  must(s, "the caller's group is the same", s.get("ask for the group", "getegid", []), "==", r.gid);
  const has = s.program.slot("has the capability?");
  for (const [n, name] of capabilityNames.entries()) {
    s.call(`may ${name} be given?`, "prctl", [PR.CAPBSET_READ, n, 0, 0, 0], { result: has, ...ANY });
    must(s, `${name} is as before`, has, r.bounding.includes(name) ? "==" : "<", 1);
  }
}

/** As the engine does for itself at its start: a command is to have the same limit either way. */
export function raiseFiles(s: SectionBuilder): void {
  const [soft, hard] = [s.program.slot("limit of files"), s.program.slot("hard limit of files")];
  const both = buffer("rlimit", 16);
  const files = rlimitNames.indexOf("RLIMIT_NOFILE");
  s.call("ask for the limit of files", "prlimit64", [0, files, 0, addressOf(soft)]);
  for (const at of [0, 8]) s.store(hard, both, at, 8);
  s.call("raise it", "prlimit64", [0, files, both, 0]);
}

/** As execve(2) takes it, of strings that are known only then. */
function arrayOf(s: SectionBuilder, name: string, strings: readonly Loose[]): Block {
  const array = stringArray(
    name,
    strings.map(() => ""),
  );
  for (const [i, string] of strings.entries()) s.store(string, array, 8 * i, 8);
  return array;
}

/** A container gets at the file it was started from by /proc/self/exe (CVE-2019-5736): this one is on a mount that nobody can write to. */
export function become(
  s: SectionBuilder,
  file: string,
  words: readonly Value[],
  environment: readonly Value[] | "all" = [],
): void {
  s.call("close all but the streams at exec", "close_range", [3, 0xffffffff, CLOSE_RANGE_CLOEXEC]);
  const fd = s.get("open the program", "open_tree", [AT_FDCWD, file, OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC]);
  const attributes = struct("mount_attr", [
    [8, MOUNT_ATTR.RDONLY],
    [8, MOUNT_ATTR.NOEXEC],
    [8, 0],
    [8, 0],
  ]);
  s.call("make it read-only", "mount_setattr", [fd, "", AT.EMPTY_PATH, attributes, attributes.bytes.length]);
  const argv = arrayOf(s, "argv", ["caisson", ...words]);
  const envp = environment === "all" ? ownEnvironment(s) : arrayOf(s, "envp", environment);
  s.call("become it", "execveat", [fd, "", argv, envp, AT.EMPTY_PATH]);
}
