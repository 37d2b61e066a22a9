import { lstatSync, readdirSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { hierarchies, type Layout } from "../cgroups/layout.ts";
import type { CopiedEntry, Job } from "../compile/job.ts";
import { mountOptions } from "../compile/mount-options.ts";
import type { Mount, Spec } from "../compile/spec.ts";
import { existingPoints } from "../host/mount-points.ts";
import { ConfigError } from "./config.ts";
import { readOr } from "./files.ts";

/** The bundle's relative paths made absolute, and what an engine leaves to the runtime filled in. */
export function completeSpec(spec: Spec, bundle: string, layout: Layout, groupPath: string): Spec {
  const root = rootOf(spec, bundle);
  const mounts = (spec.mounts ?? []).flatMap((m) => completeMount(m, bundle, spec, layout, groupPath));
  const enabled = readOr("/sys/fs/selinux/enforce") !== undefined;
  const { selinuxLabel, ...process } = spec.process ?? { user: { uid: 0, gid: 0 }, args: [], cwd: "/" };
  return {
    ...spec,
    root: { ...spec.root, path: root },
    mounts:
      spec.linux?.mountLabel && enabled ? mounts.map((m) => labelled(m, spec.linux?.mountLabel as string)) : mounts,
    process: { ...process, ...(selinuxLabel && enabled && { selinuxLabel }) },
  };
}

function rootOf(spec: Spec, bundle: string): string {
  const path = resolve(bundle, spec.root?.path ?? "");
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isDirectory()) throw new ConfigError(`root.path: ${path} is not an existing directory`);
  return realpathSync(path);
}

const labelled = (m: Mount, label: string): Mount =>
  mountOptions(m).bind || m.type === "proc" || m.type === "sysfs" || m.type?.startsWith("cgroup")
    ? m
    : { ...m, options: [...(m.options ?? []), `context="${label}"`] };

function completeMount(m: Mount, bundle: string, spec: Spec, layout: Layout, groupPath: string): Mount[] {
  const destination = isAbsolute(m.destination) ? m.destination : `/${m.destination}`;
  if (destination.split("/").includes(".."))
    throw new ConfigError(`mounts: the destination ${JSON.stringify(m.destination)} has ".." in it`);
  if (m.type === "cgroup" || m.type === "cgroup2") return cgroupMounts({ ...m, destination }, spec, layout, groupPath);
  const o = mountOptions(m);
  if (!o.bind) return [{ ...m, destination }];
  if (!m.source) throw new ConfigError(`mounts: the bind mount on ${destination} has no source`);
  return [{ ...m, destination, source: resolve(bundle, m.source) }];
}

/** What the container sees of control groups: its own as the top of each hierarchy, or its place among the host's. */
function cgroupMounts(m: Mount, spec: Spec, layout: Layout, groupPath: string): Mount[] {
  const own = spec.linux?.namespaces?.some((n) => n.type === "cgroup" && n.path === undefined) ?? false;
  const options = m.options ?? [];
  const binds = ["rbind", ...options.filter((w) => w !== "bind" && w !== "rbind")];
  if (layout.kind === "v2") {
    const source = `${layout.v2?.point}${groupPath}`;
    if (!own) return [{ destination: m.destination, type: "bind", source, options: binds }];
    return [{ ...m, type: "cgroup2", source: "cgroup", options }];
  }
  const flags = options.filter((w) => ["nosuid", "nodev", "noexec", "relatime", "ro"].includes(w));
  const below = hierarchies(layout).flatMap((h): Mount[] => {
    const controllers = Object.keys(layout.v1).filter((c) => layout.v1[c] === h.point);
    const name = h.version === "v2" ? "unified" : h.point.slice(h.point.lastIndexOf("/") + 1);
    const destination = join(m.destination, name);
    if (!own) return [{ destination, type: "bind", source: h.top + groupPath, options: binds }];
    if (h.version === "v2") return [{ destination, type: "cgroup2", source: "cgroup", options: flags }];
    return [{ destination, type: "cgroup", source: "cgroup", options: [...flags, ...controllers] }];
  });
  const top: Mount = {
    destination: m.destination,
    type: "tmpfs",
    source: "tmpfs",
    options: [...flags.filter((w) => w !== "ro"), "mode=755"],
  };
  const seal: Mount[] = flags.includes("ro")
    ? [{ destination: m.destination, type: "tmpfs", source: "tmpfs", options: ["remount", "ro"] }]
    : [];
  return [top, ...below, ...seal];
}

const MOST_COPIED = 4096;

/** What is in a directory of the root filesystem, links not followed; nothing if there is no such directory. */
function entriesOf(root: string, destination: string): CopiedEntry[] {
  const top = join(root, destination);
  const found: CopiedEntry[] = [];
  const walk = (directory: string, prefix: string): void => {
    for (const e of readdirSync(directory, { withFileTypes: true })) {
      const path = prefix + e.name;
      const { uid, gid, mode } = lstatSync(join(directory, e.name));
      const who = { path, uid, gid, mode: mode & 0o7777 };
      if (found.length >= MOST_COPIED)
        throw new ConfigError(`mounts: tmpcopyup of ${destination}: there are more than ${MOST_COPIED} files`);
      if (e.isSymbolicLink()) found.push({ ...who, kind: "link", target: readlinkSync(join(directory, e.name)) });
      else if (e.isDirectory()) {
        found.push({ ...who, kind: "directory" });
        walk(join(directory, e.name), `${path}/`);
      } else if (e.isFile()) found.push({ ...who, kind: "file" });
    }
  };
  // A link on the way could lead out of the root: then nothing is copied.
  if (lstatSync(top, { throwIfNoEntry: false })?.isDirectory() && realpathSync(top) === top) walk(top, "");
  return found;
}

/** What the compile step is told of the files that the spec names. */
export function describeFiles(spec: Spec): Pick<Job, "directories" | "existing" | "copyUp"> {
  const root = spec.root?.path ?? "/";
  const directories: Record<string, boolean> = {};
  const copyUp: Record<string, CopiedEntry[]> = {};
  for (const m of spec.mounts ?? []) {
    const o = mountOptions(m);
    if (o.bind && m.source) {
      const stat = statSync(m.source, { throwIfNoEntry: false });
      // Its own control groups are made only later.
      directories[m.source] = stat ? stat.isDirectory() : true;
    }
    if (o.copyUp) copyUp[m.destination] = entriesOf(root, m.destination);
  }
  return { directories, existing: existingPoints(root, spec.mounts ?? []), copyUp };
}
