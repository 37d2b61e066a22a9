import { existsSync, lstatSync } from "node:fs";
import { join, normalize, resolve } from "node:path";
import { hierarchies, type Layout } from "../../cgroups/layout.ts";
import { lineage, parentOf } from "../../cgroups/names.ts";
import { RUNTIME_FILES } from "../../compile/runtime/lifecycle.ts";
import type { Spec } from "../../compile/spec.ts";
import { hostFacts } from "../../host/facts.ts";
import type { Identity } from "../../host/identity.ts";
import { type Condition, linkNow, modeNow, mountNow, sameNow, textNow } from "../../remember/conditions.ts";
import { linksOn } from "../../remember/links-on.ts";
import type { Bundle } from "../bundle.ts";
import { engineLayout } from "../groups.ts";
import type { Container } from "../state.ts";

/**
 * The directories on the way to a path in a root filesystem, and what is there, up to what is missing. undefined: a link is on the way, and
 * what it leads to was looked at, too.
 */
function wayTo(root: string, path: string): string[] | undefined {
  const way: string[] = [];
  for (const part of lineage(normalize(path))) {
    const stat = lstatSync(join(root, part), { throwIfNoEntry: false });
    if (stat?.isSymbolicLink()) return undefined;
    way.push(join(root, part));
    if (!stat) break;
  }
  return way;
}

/** What HOME was found in (src/oci/environment.ts). */
function passwdOf(spec: Spec): string | undefined {
  if (spec.process?.env?.some((e) => /^HOME=./.test(e))) return undefined;
  return (
    spec.mounts?.findLast((m) => m.destination === "/etc/passwd")?.source ?? join(spec.root?.path ?? "/", "etc/passwd")
  );
}

/** What every program follows from: the kernel, whose root this is, this very command, and where control groups are. */
const usual = (layout: Layout): Condition[] => [
  ...["/proc/self/uid_map", "/proc/sys/kernel/osrelease"].map(textNow),
  linkNow("/proc/self/exe"),
  sameNow("/proc/self/exe"),
  ...hierarchies(layout).map((h) => mountNow(h.point)),
];

/** What was looked at in the root filesystem: mount points, the working directory, users. undefined: more than can be looked at again. */
function inRoot(b: Bundle): Condition[] | undefined {
  const { root, process: own } = b.spec;
  const given = JSON.parse(b.text) as { root: { path: string }; mounts?: { destination: string }[] | null };
  const links = linksOn(resolve(b.bundle, given.root.path));
  if (!links) return undefined;
  const paths = [...(given.mounts ?? []).map((m) => `/${m.destination}`), own?.cwd ?? "/", "/etc/passwd"];
  const ways = paths.map((p) => wayTo(root?.path ?? "/", p));
  if (ways.includes(undefined)) return undefined;
  const passwd = passwdOf(b.spec);
  const all = [...lineage(root?.path ?? "/"), ...ways.flatMap((w) => w ?? [])];
  return [
    ...links,
    ...[...new Set(all)].map((p) => modeNow(p, "itself")),
    ...(passwd === undefined ? [] : [sameNow(passwd)]),
  ];
}

/** The limits of the parents are taken over on v1 (src/oci/groups.ts). */
function cpusets({ layout, place }: Bundle): Condition[] {
  const top = layout.v1["cpuset"];
  if (top === undefined) return [];
  return ["", ...lineage(parentOf(place.path))].flatMap((p) =>
    ["cpuset.cpus", "cpuset.mems"].map((file) => textNow(`${top}${p}/${file}`)),
  );
}

/**
 * What was looked at for a container that is to be made. Read of a container by a name that nobody has, it says too that nothing of that
 * name is there.
 */
export function lookedAt(g: { readonly root: string }, b: Bundle): Condition[] | undefined {
  const root = inRoot(b);
  const { layout, facts, groups, spec } = b;
  if (!root) return undefined;
  const sources = (spec.mounts ?? []).flatMap((m) => (m.source?.startsWith("/") ? [m.source] : []));
  const joined = (spec.linux?.namespaces ?? []).flatMap((ns) => (ns.path === undefined ? [] : [ns.path]));
  const modes = [
    ...["/proc/sys", "/sys/kernel", "/sys/fs/selinux/enforce", ...Object.keys(facts.kernelFiles)],
    ...[g.root, b.directory, ...sources, ...joined, ...groups.directories],
  ];
  return [
    textNow(join(b.bundle, "config.json")),
    ...usual(layout),
    textNow("/proc/self/cgroup"),
    linkNow("/proc/self/ns/cgroup"),
    ...(layout.v2 ? [textNow(`${layout.v2.point}/cgroup.controllers`)] : []),
    ...cpusets(b),
    ...[...new Set(modes)].map((path) => modeNow(path, "followed")),
    ...root,
  ];
}

/** What was looked at for another process in a container: that it is the same, runs, and has made no groups of its own. */
export function lookedAtInside(c: Container, init: Identity): Condition[] | undefined {
  const { spec, cgroup } = c.saved;
  const groups = cgroup.directories.flatMap((d) => [
    modeNow(d, "followed"),
    ...["cgroup.freeze", "freezer.state", "cgroup.subtree_control"]
      .map((file) => join(d, file))
      .filter((path) => existsSync(path))
      .map(textNow),
  ]);
  if (groups.some((c) => c.kind === "text" && c.path.endsWith("subtree_control") && c.text.trim() !== ""))
    return undefined;
  const passwd = passwdOf(spec);
  const way = passwd === undefined ? [] : wayTo("/", passwd);
  if (!way) return undefined;
  return [
    ...usual(engineLayout(hostFacts())),
    ...["state", "init"].map((file) => sameNow(join(c.directory, RUNTIME_FILES[file as "state" | "init"]))),
    // The one is this container's alone, and the other a process has only until it ends.
    ...["pid", "mnt"].map((ns) => linkNow(`/proc/${init.pid}/ns/${ns}`)),
    ...groups,
    ...way.map((p) => modeNow(p, "itself")),
    ...(passwd === undefined ? [] : [sameNow(passwd)]),
  ];
}
