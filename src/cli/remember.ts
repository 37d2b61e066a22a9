import { lstatSync } from "node:fs";
import { join, resolve } from "node:path";
import { layout } from "../cgroups/look.ts";
import { isSystemd, SCOPE_PATH } from "../cgroups/scope.ts";
import { defaultMaskedPaths, defaultReadonlyPaths } from "../compile/defaults.ts";
import type { Prepared } from "../container/prepare.ts";
import { places } from "../host/places.ts";
import { encode } from "../program/encode.ts";
import { executor } from "../program/executor.ts";
import { link } from "../program/link.ts";
import type { Program } from "../program/types.ts";
import { type Condition, linkNow, modeNow, sameNow, textNow } from "../remember/conditions.ts";
import { withFreshName } from "../remember/fresh-name.ts";
import { remember } from "../remember/store.ts";

const exists = (path: string) => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** What `prepare` and `hostFacts` looked at. */
export function conditions(p: Prepared): Condition[] {
  const { spec, options } = p;
  const root = spec.root?.path ?? "/";
  const { v2 } = layout();
  const users = ["passwd", "group"].map((file) => join(root, "etc", file));
  const modes = [
    ...["/proc/sys", "/sys/kernel", ...defaultMaskedPaths, ...defaultReadonlyPaths],
    "/run/systemd/system",
    ...(typeof options.rootfs === "string" ? [resolve(options.rootfs)] : []),
    ...Object.values(options.volumes ?? {}).map((volume) =>
      resolve(typeof volume === "string" ? volume : volume.source),
    ),
    ...(v2 && isSystemd() && p.job.cgroup.groups.length ? [v2.point + SCOPE_PATH] : []),
  ];
  const points = (spec.mounts ?? []).map((m) => m.destination).filter((d) => /^\/[^/]+$/.test(d));
  return [
    ...["/proc/self/mountinfo", "/proc/self/cgroup", "/proc/self/uid_map", "/proc/sys/kernel/osrelease"].map(textNow),
    ...(v2 ? [textNow(`${v2.point}/cgroup.controllers`)] : []),
    ...["/proc/self/exe", "/proc/self/ns/cgroup"].map(linkNow),
    sameNow("/proc/self/exe"),
    ...[...new Set(modes)].map((path) => modeNow(path, "followed")),
    ...[...new Set(points)].map((path) => modeNow(join(root, path), "itself")),
    ...(options.user || options.groups
      ? users.map((path) => (exists(path) ? sameNow(path) : modeNow(path, "itself")))
      : []),
  ];
}

/** The name of the file that is performed now is taken out: the next time there is none to remove. */
function withoutFile(executable: Uint8Array, file: string): Uint8Array {
  const bytes = Buffer.from(executable);
  for (let at = bytes.indexOf(file); at >= 0; at = bytes.indexOf(file, at)) bytes.fill(0, at, at + file.length);
  return bytes;
}

/** Keeps this command line's program for the next time that it is given. What is to be performed now. */
export function rememberThis(p: Prepared, program: Program, file: string, named: boolean): Uint8Array {
  const executable = link(executor(), encode(named ? program : withFreshName(program, p.job.name)));
  const remembered = {
    arch: p.facts.arch,
    words: process.argv.slice(2),
    cwd: process.cwd(),
    gid: p.facts.gid,
    bounding: p.facts.bounding,
    state: places().state,
    conditions: conditions(p),
  };
  remember(remembered, withoutFile(executable, file));
  return executable;
}
