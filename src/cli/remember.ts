import { join, resolve } from "node:path";
import { layout } from "../cgroups/look.ts";
import { HERE } from "../compile/here.ts";
import type { Process } from "../compile/spec.ts";
import { givenRoot, type Prepared } from "../container/prepare.ts";
import { topPoints } from "../host/mount-points.ts";
import { places } from "../host/places.ts";
import { encode } from "../program/encode.ts";
import { executor } from "../program/executor.ts";
import { link } from "../program/link.ts";
import type { Program } from "../program/types.ts";
import { byDirectory } from "../remember/by-directory.ts";
import { checksProgram } from "../remember/checks.ts";
import { type Condition, linkNow, modeNow, sameNow, textNow } from "../remember/conditions.ts";
import { lastPlaceOf, wordsToFind } from "../remember/environment-words.ts";
import { withFreshName } from "../remember/fresh-name.ts";
import {
  isOfEnvironmentAlone,
  withGivenEnvironment,
  withoutGiven,
  withStandIns,
} from "../remember/given-environment.ts";
import { checksFor, checksOf, type Given } from "../remember/places.ts";
import { keepAt, remember } from "../remember/store.ts";

/** What `prepare` and `hostFacts` looked at. */
export function conditions(p: Prepared): Condition[] {
  const { spec, options, job, facts } = p;
  const root = spec.root?.path ?? "/";
  const given = givenRoot(options);
  const { v2 } = layout();
  const users = ["passwd", "group"].map((file) => join(root, "etc", file));
  const modes = [
    ...["/proc/sys", "/sys/kernel", ...Object.keys(facts.kernelFiles)],
    "/run/systemd/system",
    ...(given === undefined ? [] : [resolve(given)]),
    ...Object.keys(job.directories),
    ...(v2?.scope && job.cgroup.groups.length ? [v2.point + v2.scope.path] : []),
  ];
  const points = [...topPoints(spec.mounts ?? []), ...Object.keys({ ...options.volumes, ...options.tmpfs })];
  return [
    ...["/proc/self/mountinfo", "/proc/self/cgroup", "/proc/self/uid_map", "/proc/sys/kernel/osrelease"].map(textNow),
    ...(v2 ? [textNow(`${v2.point}/cgroup.controllers`)] : []),
    ...["/proc/self/exe", "/proc/self/ns/cgroup"].map(linkNow),
    sameNow("/proc/self/exe"),
    ...[...new Set(modes)].map((path) => modeNow(path, "followed")),
    ...[...new Set(points)].map((path) => modeNow(join(root, path), "itself")),
    ...(options.user || options.groups ? users.map(sameNow) : []),
  ];
}

/** The name of the file that is performed now is taken out: the next time there is none to remove. */
function withoutFile(executable: Uint8Array, file: string): Uint8Array {
  const bytes = Buffer.from(executable);
  for (let at = bytes.indexOf(file); at >= 0; at = bytes.indexOf(file, at)) bytes.fill(0, at, at + file.length);
  return bytes;
}

/** The same for any command and any values that the words have for once, and what is noted of it: the supervisor has both. */
export function forAny(p: Prepared, { cwd, names }: Given, isHere: boolean): { general: Prepared; noted: Prepared } {
  const { env = [], ...own } = p.spec.process as Process;
  const where = cwd === undefined && isHere && { cwd: HERE };
  const withEnvironment = (env: readonly string[]): Prepared => ({
    ...p,
    spec: { ...p.spec, process: { ...own, args: [], env, ...where } },
  });
  return { general: withEnvironment(withStandIns(env, names)), noted: withEnvironment(withoutGiven(env, names)) };
}

/** The values that are given this time, in the order of their names. */
export const valuesOf = ({ words, names }: Given): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, words[lastPlaceOf(words, name)]?.slice(name.length + 1) ?? ""]));

/** Keeps this command line's program for the next time that it is given. What is to be performed now: undefined where one of its values is not for once. */
export function rememberThis(
  given: Given,
  p: Prepared,
  program: Program,
  file: string,
  named: boolean,
): Uint8Array | undefined {
  const own = encode(withGivenEnvironment(named ? program : withFreshName(program, p.job.name), given.names));
  if (!isOfEnvironmentAlone(own, given.names)) return undefined;
  const executable = link(executor(), own);
  const { arch, gid, bounding } = p.facts;
  remember(checksOf(given), withoutFile(executable, file), (kept) => {
    return checksProgram(
      given,
      { arch, gid, bounding, state: places().state, conditions: conditions(p), where: p.spec.process?.cwd === HERE },
      kept,
    );
  });
  if (given.cwd !== undefined) keepAt(checksFor(wordsToFind(given.words)), byDirectory(arch, given.words));
  return executable;
}
