import { makeGroups } from "../../compile/cgroup.ts";
import type { Context } from "../../compile/context.ts";
import { mountPoint } from "../../compile/mounts.ts";
import { covers, resolveInRoot } from "../../host/in-root.ts";
import { AT_FDCWD, CLONE, MS, O, PR } from "../../kernel/flags.ts";
import type { ProgramBuilder, SectionBuilder } from "../../program/builder.ts";
import type { Bundle } from "../bundle.ts";
import { describeFiles } from "../describe.ts";
import { bindMounts, type ExternalNamespace } from "./external.ts";

/** As `create` makes them, so that it does not matter whether the root filesystem is the one that was there before. */
function mountPoints(b: Bundle, s: SectionBuilder): void {
  const { directories } = describeFiles(b.spec);
  const flags = O.PATH | O.DIRECTORY | O.CLOEXEC;
  const root = s.get("open the root filesystem", "openat", [AT_FDCWD, b.saved.rootfs, flags, 0]);
  const binds = bindMounts(b.spec, b.saved.rootfs);
  for (const m of b.spec.mounts ?? []) {
    if (/^\/(proc|sys|dev)\//.test(m.destination)) continue;
    const o = { directory: directories[m.source ?? ""] ?? true };
    const point = mountPoint(s, root, m.destination, o);
    s.call("close the mount point", "close", [point]);
    const at = resolveInRoot(b.saved.rootfs, m.destination);
    // In another mount it is made there: the last above it is what is seen.
    const above = binds.findLast(({ destination }) => destination !== at && covers(destination, at));
    if (above === undefined || directories[above.source] === false) continue;
    const source = s.get(`open ${above.source}`, "openat", [AT_FDCWD, above.source, flags, 0]);
    s.call("close the mount point", "close", [mountPoint(s, source, at.slice(above.destination.length), o)]);
    s.call(`close ${above.source}`, "close", [source]);
  }
  s.call("close the root filesystem", "close", [root]);
}

/**
 * By the launcher, before criu is started: the control groups, a parent for what is restored when criu ends, and the root as a mount, which criu wants
 * it to be. That is in a mount namespace of the launcher's alone, and gone with it; criu works in directories that the launcher has open, and mounts there.
 */
export function prepareRestore(b: Bundle, s: SectionBuilder, program: ProgramBuilder, root: string): void {
  const job = { cgroup: b.groups.plan } as Context["job"];
  s.call("be the parent of what is restored", "prctl", [PR.SET_CHILD_SUBREAPER, 1, 0, 0, 0]);
  const groups = makeGroups({ spec: b.spec, facts: b.facts, job, program }, s);
  for (const fd of [...groups.join, groups.born]) if (fd) s.call("close the control group", "close", [fd]);
  mountPoints(b, s);
  s.call("make a mount namespace", "unshare", [CLONE.NEWNS]);
  s.call("keep its mounts from the host", "mount", [0, "/", 0, MS.REC | MS.SLAVE, 0]);
  s.call("mount the root filesystem", "mount", [b.saved.rootfs, root, 0, MS.BIND | MS.REC, 0]);
}

/** By criu's own process: namespaces from outside are file descriptors from `first` on. */
export function handNamespaces(s: SectionBuilder, namespaces: readonly ExternalNamespace[], first: number): void {
  for (const [i, { path }] of namespaces.entries()) {
    const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0]);
    s.call("hand it to criu", "dup3", [fd, first + i, 0]);
  }
}
