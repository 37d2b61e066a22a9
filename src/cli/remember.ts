import { join, resolve } from "node:path";
import { layout } from "../cgroups/look.ts";
import { HERE } from "../compile/here.ts";
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
import { withFreshName } from "../remember/fresh-name.ts";
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

/** Keeps this command line's program for the next time that it is given. What is to be performed now. */
export function rememberThis(given: Given, p: Prepared, program: Program, file: string, named: boolean): Uint8Array {
  const executable = link(executor(), encode(named ? program : withFreshName(program, p.job.name)));
  const { arch, gid, bounding } = p.facts;
  remember(checksOf(given), withoutFile(executable, file), (kept) => {
    return checksProgram(
      given,
      { arch, gid, bounding, state: places().state, conditions: conditions(p), where: p.spec.process?.cwd === HERE },
      kept,
    );
  });
  if (given.cwd !== undefined) keepAt(checksFor(given.words), byDirectory(arch, given.words));
  return executable;
}
