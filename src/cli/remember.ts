import { join, resolve } from "node:path";
import { layout } from "../cgroups/look.ts";
import { HERE } from "../compile/here.ts";
import type { Process } from "../compile/spec.ts";
import { givenRoot, type Prepared } from "../container/prepare.ts";
import { HOSTS_FILE } from "../container/root-hosts.ts";
import { topPoints } from "../host/mount-points.ts";
import { fileMounts, type HostMount } from "../host/mountinfo.ts";
import { places } from "../host/places.ts";
import type { Program } from "../program/types.ts";
import { byDirectory } from "../remember/by-directory.ts";
import { type Condition, modeNow, sameNow } from "../remember/conditions.ts";
import { wordsToFind } from "../remember/environment-words.ts";
import { withFreshName } from "../remember/fresh-name.ts";
import { withoutGiven, withStandIns } from "../remember/given-environment.ts";
import { linksOn } from "../remember/links-on.ts";
import { checksFor, type Given } from "../remember/places.ts";
import { keepAt } from "../remember/store.ts";
import { machineNow, rememberThis } from "./keep.ts";

/** Parts of a view of the machine: each is a directory or a file, or cannot be looked at. */
const partsNow = (mounts: readonly HostMount[]): Condition[] =>
  fileMounts(mounts).map(({ point, isOutOfReach }) =>
    isOutOfReach ? { kind: "mode", path: point, link: "followed", mode: undefined } : modeNow(point, "followed"),
  );

/** What `prepare` looked at. */
export function conditions(p: Prepared): Condition[] {
  const { spec, options, job, facts } = p;
  const root = spec.root?.path ?? "/";
  const given = givenRoot(options);
  const { v2 } = layout();
  const users = ["passwd", "group"].map((file) => join(root, "etc", file));
  const files = [HOSTS_FILE, ...(job.files ?? []).map((f) => f.path)].map((path) => join(root, path));
  const modes = [
    ...["/proc/sys", "/sys/kernel", ...Object.keys(facts.kernelFiles)],
    "/run/systemd/system",
    ...(given === undefined ? [] : [resolve(given)]),
    ...Object.keys(job.directories),
    ...(job.supervisorGroup === undefined ? [] : [job.supervisorGroup]),
    ...(v2?.scope && job.cgroup.groups.length ? [v2.point + v2.scope.path] : []),
  ];
  const points = [...topPoints(spec.mounts ?? []), ...Object.keys({ ...options.volumes, ...options.tmpfs })];
  return [
    ...machineNow(),
    ...(root === "/" ? partsNow(facts.mounts) : []),
    ...(linksOn(resolve(given ?? "/")) ?? []),
    ...[...new Set(modes)].map((path) => modeNow(path, "followed")),
    ...[...new Set(points)].map((path) => modeNow(join(root, path), "itself")),
    ...[...new Set([...(options.user || options.groups ? users : []), ...files])].map(sameNow),
  ];
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

/** Keeps the program of this command line, as `rememberThis` has it. */
export function rememberRun(
  given: Given,
  p: Prepared,
  program: Program,
  file: string,
  named: boolean,
): ReturnType<typeof rememberThis> {
  const { arch, gid, bounding } = p.facts;
  const kept = rememberThis(given, named ? program : withFreshName(program, p.job.name), file, () => ({
    ...{ arch, gid, bounding, state: places().state, conditions: conditions(p) },
    where: p.spec.process?.cwd === HERE,
  }));
  if (kept && given.cwd !== undefined) keepAt(checksFor(wordsToFind(given.words)), byDirectory(arch, given.words));
  return kept;
}
