import { statfsSync, statSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { type Hierarchy, hierarchies, type Layout } from "../cgroups/layout.ts";
import { isNew } from "../compile/context.ts";
import { mountOptions } from "../compile/mount-options.ts";
import type { Mount, Spec } from "../compile/spec.ts";
import { isBelowAny, resolveInRoot } from "../host/in-root.ts";
import { placeMounts } from "../host/mount-points.ts";
import { PROC_SUPER_MAGIC } from "../kernel/flags.ts";
import { ConfigError } from "./config.ts";
import { withMaps } from "./mount-maps.ts";

/** The mounts of a bundle with sources and destinations as the compile step wants them. */
export function completeMounts(spec: Spec, root: string, bundle: string, place: GroupDirectories): Mount[] {
  const before = new Set<string>();
  const completed = (spec.mounts ?? []).flatMap((m) => {
    const destination = normalize(`/${m.destination}`).replace(/(?<=.)\/$/, "");
    const those = completeMount({ ...withMaps(m, spec), destination }, { root, bundle, before }, spec, place);
    before.add(destination);
    return those;
  });
  for (const m of completed) checkInProc(m, root);
  return placeMounts(root, completed);
}

/** The directory of the container's group in each hierarchy. */
export type GroupDirectories = { readonly layout: Layout; readonly directoryIn: (h: Hierarchy) => string };

/** What lxcfs and others may show in place of the kernel's own. */
const coverable =
  /^\/proc\/(cpuinfo|diskstats|meminfo|stat|swaps|uptime|loadavg|slabinfo|net\/dev|sys\/kernel\/ns_last_pid|sys\/crypto\/fips_enabled)$/;

/**
 * A file system that only looks like proc would hide from the container, and from us, what the kernel says there. A link
 * of the root filesystem may lead there, too (CVE-2019-19921).
 */
function checkInProc(m: Mount, root: string): void {
  const { bind, remount } = mountOptions(m);
  if (remount) return;
  // A link to nothing may be meant itself; if not, who opens it says so.
  const there = bind && m.source !== undefined && statSync(m.source, { throwIfNoEntry: false }) !== undefined;
  const is = there ? statfsSync(m.source).type === PROC_SUPER_MAGIC : m.type === "proc";
  if (is) return;
  const places = [m.destination, resolveInRoot(root, m.destination)];
  if (places.includes("/proc"))
    throw new ConfigError(`mounts: ${m.source ?? m.type} on /proc is not a proc file system`);
  const inside = places.find((at) => at.startsWith("/proc/") && !coverable.test(at));
  if (bind && inside !== undefined)
    throw new ConfigError(`mounts: ${m.source} on ${inside} is inside /proc, where nothing may be bound`);
}

/** Of these the kernel has one for all, or made it with the namespace: it takes no label with the mount. */
const LABELLED_ALREADY = ["proc", "sysfs", "cgroup", "cgroup2", "mqueue"];

export const labelled = (m: Mount, label: string): Mount =>
  mountOptions(m).bind || LABELLED_ALREADY.includes(m.type ?? "")
    ? m
    : { ...m, options: [...(m.options ?? []), `context=${label}`] };

/** A tmpfs has the mode of the directory that it covers, unless it is given one. What an earlier mount has there is not seen from here. */
function withMode(m: Mount, { root, before }: From): Mount {
  if (mountOptions(m).data.some((word) => word.startsWith("mode="))) return m;
  if (isBelowAny(before, dirname(m.destination))) return m;
  const covered = statSync(join(root, resolveInRoot(root, m.destination)), { throwIfNoEntry: false });
  if (!covered?.isDirectory()) return m;
  return { ...m, options: [...(m.options ?? []), `mode=${(covered.mode & ALL_BITS).toString(8)}`] };
}
const ALL_BITS = 0o7777;

/** `before`: where something is mounted by then. */
type From = { readonly root: string; readonly bundle: string; readonly before: ReadonlySet<string> };

function completeMount(m: Mount, from: From, spec: Spec, place: GroupDirectories): Mount[] {
  if (m.type === "cgroup" || m.type === "cgroup2") return cgroupMounts(m, spec, place);
  const o = mountOptions(m);
  if (m.type === "tmpfs" && !o.remount) return [withMode(m, from)];
  if (!o.bind) return [m];
  if (!m.source) throw new ConfigError(`mounts: the bind mount on ${m.destination} has no source`);
  return [{ ...m, source: resolve(from.bundle, m.source) }];
}

/** What the container sees of control groups: its own as the top of each hierarchy, or its place among the host's. */
function cgroupMounts(m: Mount, spec: Spec, { layout, directoryIn }: GroupDirectories): Mount[] {
  const own = isNew(spec, "cgroup");
  const options = m.options ?? [];
  const binds = ["rbind", ...options.filter((w) => w !== "bind" && w !== "rbind")];
  if (layout.kind === "v2") {
    const [source = ""] = hierarchies(layout).map(directoryIn);
    if (!own) return [{ destination: m.destination, type: "bind", source, options: binds }];
    return [{ ...m, type: "cgroup2", source: "cgroup", options }];
  }
  const flags = options.filter((w) => ["nosuid", "nodev", "noexec", "relatime", "ro"].includes(w));
  const below = hierarchies(layout).flatMap((h): Mount[] => {
    const controllers = Object.keys(layout.v1).filter((c) => layout.v1[c] === h.point);
    const name = h.version === "v2" ? "unified" : h.point.slice(h.point.lastIndexOf("/") + 1);
    const destination = join(m.destination, name);
    if (!own) return [{ destination, type: "bind", source: directoryIn(h), options: binds }];
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
