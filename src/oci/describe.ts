import { lstatSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type { CopiedEntry, Job } from "../compile/job.ts";
import { mountOptions } from "../compile/mount-options.ts";
import type { Spec } from "../compile/spec.ts";
import { linkTarget, namesOf, readOr } from "../host/files.ts";
import { covers, exists, resolveInRoot } from "../host/in-root.ts";
import { existingPoints } from "../host/mount-points.ts";
import { reach } from "../host/reach.ts";
import { ConfigError } from "./config.ts";
import { completeMounts, type GroupDirectories, labelled } from "./mounts.ts";

/** The bundle's relative paths made absolute, and what an engine leaves to the runtime filled in. */
export function completeSpec(spec: Spec, bundle: string, place: GroupDirectories): Spec {
  const root = rootOf(spec, bundle);
  const mounts = completeMounts(spec, root, bundle, place);
  const enabled = readOr("/sys/fs/selinux/enforce") !== undefined;
  const { selinuxLabel, ...process } = spec.process ?? { user: { uid: 0, gid: 0 }, args: [], cwd: "/" };
  const { mountLabel, ...linux } = spec.linux ?? {};
  const label = enabled ? mountLabel : undefined;
  return {
    ...spec,
    root: { ...spec.root, path: root },
    ...(spec.linux && { linux: { ...linux, ...(label && { mountLabel: label }) } }),
    mounts: label ? mounts.map((m) => labelled(m, label)) : mounts,
    process: { ...process, ...(selinuxLabel && enabled && { selinuxLabel }) },
  };
}

function rootOf(spec: Spec, bundle: string): string {
  const path = resolve(bundle, spec.root?.path ?? "");
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) throw new ConfigError(`root.path: ${path} is not an existing directory`);
  return realpathSync(path);
}

const MOST_COPIED = 4096;

/** What is in a directory of the root filesystem, links not followed; nothing if there is no such directory. */
function entriesOf(root: string, destination: string): CopiedEntry[] {
  const top = join(root, destination);
  const found: CopiedEntry[] = [];
  const walk = (directory: string, prefix: string): void => {
    for (const name of reach(directory, namesOf)) {
      const [path, source] = [prefix + name, `${directory}/${name}`];
      const e = reach(source, (p) => lstatSync(p));
      const who = { path, uid: e.uid, gid: e.gid, mode: e.mode & 0o7777 };
      if (found.length >= MOST_COPIED)
        throw new ConfigError(`mounts: tmpcopyup of ${destination}: there are more than ${MOST_COPIED} files`);
      if (e.isSymbolicLink()) found.push({ ...who, kind: "link", target: reach(source, linkTarget) });
      else if (e.isDirectory()) {
        found.push({ ...who, kind: "directory" });
        walk(source, `${path}/`);
      } else if (e.isFile()) found.push({ ...who, kind: "file" });
    }
  };
  // A link on the way could lead out of the root: then nothing is copied.
  if (lstatSync(top, { throwIfNoEntry: false })?.isDirectory() && realpathSync(top) === top) walk(top, "");
  return found;
}

/** A working directory that is not there, or in a mount of which that is not known. */
function missingWorkdir(spec: Spec, root: string): string | undefined {
  const { cwd = "/" } = spec.process ?? {};
  if (cwd === "/") return undefined;
  if (spec.mounts?.some((m) => covers(m.destination, cwd))) return cwd;
  const real = resolveInRoot(root, cwd);
  return exists(join(root, real)) ? undefined : real;
}

/** What the compile step is told of the files that the spec names. */
export function describeFiles(spec: Spec): Pick<Job, "directories" | "existing" | "copyUp" | "workdir" | "links"> {
  const root = spec.root?.path ?? "/";
  const directories: Record<string, boolean> = {};
  const copyUp: Record<string, CopiedEntry[]> = {};
  const links: Record<string, string> = {};
  for (const m of spec.mounts ?? []) {
    const o = mountOptions(m);
    if (o.bind && m.source) {
      const link = o.sourceLink === "followed" ? undefined : lstatSync(m.source, { throwIfNoEntry: false });
      if (o.sourceLink === "copied" && link?.isSymbolicLink()) links[m.destination] = readlinkSync(m.source);
      const stat = link ?? statSync(m.source, { throwIfNoEntry: false });
      // Its own control groups are made only later.
      directories[m.source] = stat ? stat.isDirectory() : true;
    }
    if (o.copyUp) copyUp[m.destination] = entriesOf(root, m.destination);
  }
  const workdir = missingWorkdir(spec, root);
  const existing = existingPoints(root, spec.mounts ?? []);
  return { directories, existing, copyUp, links, ...(workdir !== undefined && { workdir }) };
}
