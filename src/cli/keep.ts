import { layout } from "../cgroups/look.ts";
import { encode } from "../program/encode.ts";
import { executor } from "../program/executor.ts";
import { link } from "../program/link.ts";
import type { Program } from "../program/types.ts";
import { checksProgram, type Found } from "../remember/checks.ts";
import { type Condition, linkNow, sameNow, textNow } from "../remember/conditions.ts";
import { lastPlaceOf } from "../remember/environment-words.ts";
import { isOfEnvironmentAlone, withGivenEnvironment } from "../remember/given-environment.ts";
import { checksOf, type Given } from "../remember/places.ts";
import { remember } from "../remember/store.ts";

/** What `hostFacts` and `layout` looked at, and this very command. */
export function machineNow(): Condition[] {
  const { v2 } = layout();
  return [
    ...["/proc/self/mountinfo", "/proc/self/cgroup", "/proc/self/uid_map", "/proc/sys/kernel/osrelease"].map(textNow),
    ...(v2 ? [textNow(`${v2.point}/cgroup.controllers`)] : []),
    ...["/proc/self/exe", "/proc/self/ns/cgroup"].map(linkNow),
    sameNow("/proc/self/exe"),
  ];
}

/** The name of the file that is performed now is taken out: the next time there is none to remove. */
function withoutFile(executable: Uint8Array, file: string): Uint8Array {
  const bytes = Buffer.from(executable);
  for (let at = bytes.indexOf(file); at >= 0; at = bytes.indexOf(file, at)) bytes.fill(0, at, at + file.length);
  return bytes;
}

const valuesOf = ({ words, names }: Given): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, words[lastPlaceOf(words, name)]?.slice(name.length + 1) ?? ""]));

/** What is to be performed now, and the values that are given this time, in the order of their names. */
type Kept = { readonly executable: Uint8Array; readonly environment: Record<string, string> };

/** Keeps this command line's program for the next time that it is given. undefined where one of its values is not for once. */
export function rememberThis(given: Given, program: Program, file: string, found: () => Found): Kept | undefined {
  const own = encode(withGivenEnvironment(program, given.names));
  if (!isOfEnvironmentAlone(own, given.names)) return undefined;
  const executable = link(executor(), own);
  remember(checksOf(given), withoutFile(executable, file), (kept) => checksProgram(given, found(), kept));
  return { executable, environment: valuesOf(given) };
}
