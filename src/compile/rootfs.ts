import { covers } from "../host/in-root.ts";
import { mountOf } from "../host/mountinfo.ts";
import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, MNT_DETACH, MOUNT_ATTR, MOVE_MOUNT, MS, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, isNew } from "./context.ts";
import type { RootEntry } from "./job.ts";
import { makeUpper, openDirectory, overlay, restrictionsOf, showOthers, viewOf } from "./layers.ts";
import { propagations } from "./mount-options.ts";
import { attach, cloneTree, newFilesystem, setAttributes } from "./mounts.ts";

/** From now on no mount of ours is seen by the host; `slave` lets the host's be seen here until the root is changed. */
export function separateMounts(c: Context, s: SectionBuilder): void {
  const wanted = propagations[c.spec.linux?.rootfsPropagation ?? "private"];
  const flags = wanted === MS.SHARED ? MS.SLAVE : wanted === MS.UNBINDABLE ? MS.PRIVATE : wanted;
  s.call("separate the mounts from the host's", "mount", [0, "/", 0, MS.REC | flags, 0]);
}

/** Makes the new root and enters it: the working directory is its top. */
function assembleOverlay(c: Context, s: SectionBuilder, keep: string | undefined, users: Slot | undefined): void {
  const { scratch } = c.job;
  // Where nothing is kept, changes are in a tmpfs that only this mount namespace knows: it goes when the container does.
  const memory = newFilesystem(s, "tmpfs", [
    ["source", "caisson"],
    ["mode", "755"],
  ]);
  const at = openDirectory(s, scratch);
  if (keep !== undefined) {
    // Opened before it can be covered, attached below the scratch directory so that one path is right for both.
    const kept = cloneTree(s, `open ${keep}`, AT_FDCWD, keep);
    attach(s, `cover ${scratch}`, memory, at);
    s.call("make the place of the changes", "mkdirat", [AT_FDCWD, `${scratch}/changes`, 0o755]);
    attach(s, `attach ${keep}`, kept, openDirectory(s, `${scratch}/changes`));
  } else {
    attach(s, `cover ${scratch}`, memory, at);
    s.call("make the place of the changes", "mkdirat", [AT_FDCWD, `${scratch}/changes`, 0o755]);
  }
  s.call("make the new root's mount point", "mkdirat", [AT_FDCWD, `${scratch}/root`, 0o755]);
  const lower = c.spec.root?.path ?? "/";
  makeUpper(c, s, `${scratch}/changes/root`);
  const shown = users ? mapped(s, users, lower, `${scratch}/layers`) : lower;
  const isHost = lower === "/";
  const attributes = isHost ? restrictionsOf(mountOf(c.facts.mounts, "/")) : 0;
  const root = overlay(c, s, { lower: shown, upper: `${scratch}/changes/root`, attributes });
  attach(s, `mount the copy-on-write view of ${lower}`, root, openDirectory(s, `${scratch}/root`));
  s.call("enter the new root", "chdir", [`${scratch}/root`]);
  if (isHost) showOthers(c, s, users && ((path) => mapped(s, users, path, `${scratch}/layers`)));
}

/**
 * In a user namespace no file system that has others mounted below may be a layer (their mounts are locked to it), so
 * the view is put together from the directories at the top. One with mounts below is shown read-only.
 */
function assembleParts(c: Context, s: SectionBuilder, entries: readonly RootEntry[]): void {
  const { scratch } = c.job;
  const made = new Map<RootEntry, Slot>();
  for (const e of entries)
    if (e.kind === "mounts") made.set(e, cloneTree(s, `open /${e.name}`, AT_FDCWD, `/${e.name}`, { recursive: true }));
  const memory = newFilesystem(s, "tmpfs", [
    ["source", "caisson"],
    ["mode", "755"],
  ]);
  attach(s, `cover ${scratch}`, memory, openDirectory(s, scratch));
  for (const name of ["changes", "root"])
    s.call(`make ${scratch}/${name}`, "mkdirat", [AT_FDCWD, `${scratch}/${name}`, 0o755]);
  const top = cloneTree(s, "open the new root", AT_FDCWD, `${scratch}/root`);
  attach(s, "make the new root a mount", top, openDirectory(s, `${scratch}/root`));
  s.call("enter the new root", "chdir", [`${scratch}/root`]);
  for (const e of entries) {
    if (e.kind === "link") {
      s.call(`make the link /${e.name}`, "symlinkat", [e.target, AT_FDCWD, e.name]);
      continue;
    }
    s.call(`make /${e.name}`, "mkdirat", [AT_FDCWD, e.name, 0o755]);
    if (e.kind === "empty") continue;
    const tree = made.get(e);
    if (tree) setAttributes(s, `make /${e.name} read-only`, tree, { set: MOUNT_ATTR.RDONLY, recursive: true });
    const path = `/${e.name}`;
    const attributes = restrictionsOf(mountOf(c.facts.mounts, path));
    const mounted = tree ?? viewOf(c, s, path, { lower: path, upper: `${scratch}/changes/${e.name}`, attributes });
    attach(s, `mount the view of ${path}`, mounted, openDirectory(s, e.name));
  }
}

/** A layer must be mounted somewhere: each on the place of those before, which overlays hold already. */
function mapped(s: SectionBuilder, users: Slot, path: string, at: string): string {
  s.call(`make ${at}`, "mkdirat", [AT_FDCWD, at, 0o755], { ignore: ["EEXIST"] });
  const tree = cloneTree(s, `open ${path}, to map its ids`, AT_FDCWD, path);
  setAttributes(s, `map the ids of ${path}`, tree, { set: MOUNT_ATTR.IDMAP, users });
  attach(s, `mount ${path} with mapped ids`, tree, openDirectory(s, at));
  return at;
}

function assembleDirectory(c: Context, s: SectionBuilder, users: Slot | undefined): void {
  const path = c.spec.root?.path ?? "";
  // What is mounted on "/" is above this process's root: it is entered elsewhere.
  const at = path === "/" ? c.job.scratch : path;
  const tree = cloneTree(s, `open the root filesystem ${path}`, AT_FDCWD, path, { recursive: true });
  if (users) setAttributes(s, `map the ids of ${path}`, tree, { set: MOUNT_ATTR.IDMAP, users });
  attach(s, `bind ${path} on ${at === path ? "itself" : at}`, tree, openDirectory(s, at));
  s.call(`enter ${at}`, "chdir", [at]);
}

/** Puts the new root together and gives its top. What is mounted in it is looked up from there alone. */
export function assembleRoot(c: Context, s: SectionBuilder, users?: Slot): Slot {
  if (c.job.root.kind === "overlay") assembleOverlay(c, s, c.job.root.keep, users);
  else if (c.job.root.kind === "parts") assembleParts(c, s, c.job.root.entries);
  else assembleDirectory(c, s, users);
  return openDirectory(s, ".");
}

/** What is mounted on the root is the root from then on: by its path, of the host still, the topmost is found. */
export function enterTop(c: Context, s: SectionBuilder, root: Slot, assembled: boolean): void {
  const { scratch } = c.job;
  const path = c.spec.root?.path ?? "/";
  const own = path === "/" || assembled ? scratch : path;
  s.call("enter what is mounted on the root", "chdir", [c.job.root.kind === "directory" ? own : `${scratch}/root`]);
  s.call("close the root below", "close", [root]);
  s.call("open the root", "openat", [AT_FDCWD, ".", O.PATH | O.DIRECTORY | O.CLOEXEC, 0], { result: root });
}

/** A root that was put together outside is attached as it is. */
export function attachRoot(c: Context, s: SectionBuilder, assembled: Slot): Slot {
  const { scratch } = c.job;
  attach(s, `put the root at ${scratch}`, assembled, openDirectory(s, scratch));
  s.call(`enter ${scratch}`, "chdir", [scratch]);
  return openDirectory(s, ".");
}

/**
 * pivot_root(2) with both arguments ".": the old root is stacked on the new one and detached. The initramfs cannot be
 * pivoted away from: there (`noPivot`) the new root is moved over the old, which stays below.
 * `meanwhile`: what is done by the new root's descriptor before the old one goes.
 */
export function changeRoot(c: Context, s: SectionBuilder, root: Slot, meanwhile: () => void = () => {}): void {
  if (!isNew(c.spec, "mount")) s.call("change the root", "chroot", ["."]);
  else if (c.job.noPivot) {
    hideKernelViews(c, s);
    s.call("move the new root over the old", "move_mount", [root, "", AT_FDCWD, "/", MOVE_MOUNT.F_EMPTY_PATH]);
    s.call("change the root", "chroot", ["."]);
  } else {
    s.call("change the root", "pivot_root", [".", "."]);
    meanwhile();
    s.call("leave the host's root", "umount2", [".", MNT_DETACH]);
  }
  s.call("go to the top", "chdir", ["/"]);
}

/**
 * Where the old root stays below, so would its proc and sysfs: a user namespace in the container could then mount new ones,
 * in which nothing is masked (mount_too_revealing() of the kernel). What is locked cannot go, and is covered.
 */
function hideKernelViews(c: Context, s: SectionBuilder): void {
  for (const { point, type } of c.facts.mounts) {
    if ((type !== "proc" && type !== "sysfs") || covers(c.job.scratch, point)) continue;
    const label = `take the host's ${point} away`;
    const gone = s.get(label, "umount2", [point, MNT_DETACH], { ignore: ["EINVAL", "EPERM", "ENOENT"] });
    for (const code of [errno("EINVAL"), errno("EPERM")])
      s.skipIf(gone, "!=", -code, () => s.call(`cover ${point}`, "mount", ["none", point, "tmpfs", 0, 0]));
  }
}

/** No mounts of its own: a directory is the root, as chroot(2) has it. */
export function enterGivenRoot(c: Context, s: SectionBuilder): void {
  const path = c.spec.root?.path ?? "/";
  s.call(`enter ${path}`, "chdir", [path]);
  s.call("change the root", "chroot", ["."]);
}

/** At the end, when all mount points are there. */
export function sealRoot(c: Context, s: SectionBuilder, root: Slot): void {
  if (c.spec.root?.readonly) setAttributes(s, "make the root read-only", root, { set: MOUNT_ATTR.RDONLY });
  const { rootfsPropagation } = c.spec.linux ?? {};
  if (rootfsPropagation === "shared" || rootfsPropagation === "unbindable")
    setAttributes(s, `make the root ${rootfsPropagation}`, root, { propagation: propagations[rootfsPropagation] });
}
