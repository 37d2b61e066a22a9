import { isKernelView } from "../host/mount-points.ts";
import { errno } from "../kernel/errno.ts";
import {
  AT,
  AT_FDCWD,
  FSCONFIG,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOUNT_ATTR,
  MOVE_MOUNT,
  MS,
  O,
  OPEN_TREE,
  PATH_MAX,
  RESOLVE,
} from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { buffer, type Loose, struct } from "../program/values.ts";
import { type Context, openHow, openInRoot } from "./context.ts";
import { copyUp } from "./copy-up.ts";
import { labelQueues, quotedContext } from "./mount-labels.ts";
import { type MountOptions, mountOptions, propagations } from "./mount-options.ts";
import type { Mount, Spec } from "./spec.ts";

/**
 * A new file system, not attached anywhere yet: fsopen(2), fsconfig(2), fsmount(2). Where it `mayNotBe`, EINVAL gives a slot
 * below zero: from Linux 6.5 on overlay says at each parameter what it said when it was created before.
 */
export function newFilesystem(
  s: SectionBuilder,
  type: string,
  parameters: readonly (readonly [key: string, value?: string])[],
  attributes = 0,
  mayNotBe = false,
): Slot {
  const may = mayNotBe ? { ignore: ["EINVAL"] } : {};
  const fs = s.get(`open a ${type} file system`, "fsopen", [type, FSOPEN_CLOEXEC]);
  for (const [key, value] of parameters) {
    const label = `set ${key}${value === undefined ? "" : `=${value}`} of ${type}`;
    if (value === undefined) s.call(label, "fsconfig", [fs, FSCONFIG.SET_FLAG, key, 0, 0]);
    else s.call(label, "fsconfig", [fs, FSCONFIG.SET_STRING, key, value, 0], may);
  }
  s.call(`create the ${type} file system`, "fsconfig", [fs, FSCONFIG.CMD_CREATE, 0, 0, 0], may);
  const mount = s.get(`mount ${type}`, "fsmount", [fs, FSMOUNT_CLOEXEC, attributes], may);
  s.call(`close the ${type} context`, "close", [fs]);
  return mount;
}

type TreeOptions = {
  readonly recursive?: boolean;
  readonly link?: boolean;
  readonly into?: Slot | undefined;
};

/** A detached copy of what is at a path: the source of a bind mount. open_tree(2). `link`: what is there may be one, and is meant itself. */
export function cloneTree(
  s: SectionBuilder,
  label: string,
  at: Loose,
  path: string,
  { recursive = false, link = false, into }: TreeOptions = {},
): Slot {
  const flags =
    OPEN_TREE.CLONE |
    OPEN_TREE.CLOEXEC |
    (recursive ? AT.RECURSIVE : 0) |
    (link ? AT.SYMLINK_NOFOLLOW : 0) |
    (path === "" ? AT.EMPTY_PATH : 0);
  if (into === undefined) return s.get(label, "open_tree", [at, path, flags]);
  s.call(label, "open_tree", [at, path, flags], { result: into });
  return into;
}

type Attributes = { set?: number; clear?: number; propagation?: number; recursive?: boolean; users?: Slot };

/** struct mount_attr; one that gets a user namespace at run time is its own. */
function mountAttr({ set = 0, clear = 0, propagation = 0, users }: Attributes): Block {
  const key = `${set} ${clear} ${propagation}`;
  const known = users ? undefined : attrs.get(key);
  if (known) return known;
  const attr = struct("mount_attr", [
    [8, set],
    [8, clear],
    [8, propagation],
    [8, 0],
  ]);
  if (!users) attrs.set(key, attr);
  return attr;
}
const attrs = new Map<string, Block>();

export function setAttributes(s: SectionBuilder, label: string, mount: Loose, a: Attributes): void {
  const attr = mountAttr(a);
  if (a.users) s.store(a.users, attr, 24, 8);
  const flags = AT.EMPTY_PATH | (a.recursive ? AT.RECURSIVE : 0);
  s.call(label, "mount_setattr", [mount, "", flags, attr, attr.bytes.length]);
}

/** Attaches a detached mount on an open mount point: no path is looked up again. */
export function attach(s: SectionBuilder, label: string, mount: Loose, point: Loose): void {
  s.call(label, "move_mount", [mount, "", point, "", MOVE_MOUNT.F_EMPTY_PATH | MOVE_MOUNT.T_EMPTY_PATH]);
}

/**
 * Opens a mount point inside the container's root and makes it, and what leads to it, where it is missing. Each
 * part is looked up with RESOLVE_IN_ROOT, so a link in the root cannot make us touch the host.
 */
export function mountPoint(s: SectionBuilder, root: Loose, path: string, o: PointOptions): Slot {
  const { directory, what = "the mount point" } = o;
  const resolve = RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | (o.noLinks ? RESOLVE.NO_SYMLINKS : 0);
  const how = openHow(O.PATH | (o.itself ? O.NOFOLLOW : 0), resolve);
  const above = o.itself ? openHow(O.PATH, resolve) : how;
  const point = s.get(`find ${path} in the container`, "openat2", [root, path, how, how.bytes.length], {
    ignore: ["ENOENT"],
  });
  s.skipIf(point, ">", -1, () => {
    const parts = path.split("/").filter(Boolean);
    const parent = s.program.shared("a parent");
    for (let i = 0; i < parts.length; i++) {
      const way = `/${parts.slice(0, i).join("/")}`;
      s.call(`open ${way} in the container`, "openat2", [root, way, above, above.bytes.length], { result: parent });
      const last = i === parts.length - 1;
      const name = parts[i] as string;
      if (!last || directory) s.call(`make ${what} ${path}`, "mkdirat", [parent, name, 0o755], { ignore: ["EEXIST"] });
      else s.call(`make ${what} ${path}`, "mknodat", [parent, name, 0o100644, 0], { ignore: ["EEXIST"] });
      s.call("close a parent", "close", [parent]);
    }
    s.call(`open ${what} ${path}`, "openat2", [root, path, how, how.bytes.length], { result: point });
  });
  return point;
}
type PointOptions = {
  readonly directory: boolean;
  /** No link on the way. */
  readonly noLinks?: boolean;
  /** If it is a link, that is meant, and not what it leads to. */
  readonly itself?: boolean;
  readonly what?: string;
};

/**
 * Sources are opened while the host's root is still there; what is opened is attached once it is gone. So are file systems: proc
 * and sysfs the kernel makes in a user namespace only as long as others of their kind can be seen, and Linux lists mounts in the
 * order in which they were made.
 */
export function openSources(
  c: Context,
  s: SectionBuilder,
  ready: ReadonlyMap<Mount, Slot> = new Map(),
  late?: Mount,
): ReadonlyMap<Mount, Slot> {
  const sources = new Map<Mount, Slot>(ready);
  for (const mount of c.spec.mounts ?? []) {
    const o = mountOptions(mount);
    if (o.remount || mount === late || sources.has(mount)) continue;
    if (!o.bind) sources.set(mount, makeFilesystem(s, mount, o));
    if (!o.bind || copiedLink(c, mount) !== undefined) continue;
    const source = mount.source ?? "";
    const label = `open ${source}, to bind on ${mount.destination}`;
    sources.set(
      mount,
      cloneTree(s, label, AT_FDCWD, source, { recursive: o.recursive, link: o.sourceLink === "itself" }),
    );
  }
  return sources;
}

export const makeFilesystem = (s: SectionBuilder, mount: Mount, o: MountOptions): Slot =>
  newFilesystem(
    s,
    mount.type ?? "none",
    [["source", mount.source ?? mount.type ?? "none"] as const, ...parameters(o.data)],
    sealedLater(mount) ? o.set & ~MOUNT_ATTR.RDONLY : o.set,
  );

/** Devices, mount points or copies are still to be made in it. */
const sealedLater = (mount: Mount) => {
  const { bind, copyUp: copied } = mountOptions(mount);
  return !bind && (copied || mount.destination === "/dev");
};

export const isMounted = (spec: Spec, destination: string): boolean =>
  spec.mounts?.some((m) => m.destination === destination) ?? false;

export function sealMounts(c: Context, s: SectionBuilder, root: Slot): void {
  for (const mount of c.spec.mounts ?? [])
    if (sealedLater(mount) && mountOptions(mount).set & MOUNT_ATTR.RDONLY) {
      const at = openInRoot(s, root, mount.destination, O.PATH);
      setAttributes(s, `make ${mount.destination} read-only`, at, { set: MOUNT_ATTR.RDONLY });
      s.call(`close ${mount.destination}`, "close", [at]);
    }
}

function applyOptions(s: SectionBuilder, label: string, mount: Slot, o: MountOptions): void {
  if (o.set || o.clear) setAttributes(s, `options of ${label}`, mount, { set: o.set, clear: o.clear });
  if (o.recursiveSet || o.recursiveClear)
    setAttributes(s, `options of all below ${label}`, mount, {
      set: o.recursiveSet,
      clear: o.recursiveClear,
      recursive: true,
    });
}

/** Whether a directory is a file system of our own by then, in which nobody else can have put anything. */
function isFresh(c: Context, mount: Mount, directory: string): boolean {
  const mounts = c.spec.mounts ?? [];
  const before = mounts.slice(0, mounts.indexOf(mount)).filter((m) => m.destination === directory);
  return (
    before.length === 1 && before.every((m) => m.type === "tmpfs" && !mountOptions(m).bind && !mountOptions(m).copyUp)
  );
}

/** Mount points of which it is known whether they are there need no second way. */
function knownPoint(c: Context, s: SectionBuilder, root: Loose, mount: Mount, directory: boolean): Slot | undefined {
  const { destination } = mount;
  const resolve = isKernelView(mount) ? RESOLVE.NO_SYMLINKS : 0;
  const cut = destination.lastIndexOf("/");
  const [parent, name] = [destination.slice(0, cut), destination.slice(cut + 1)];
  if (parent !== "" && name !== "" && isFresh(c, mount, parent)) {
    const at = openInRoot(s, root, parent, O.PATH | O.DIRECTORY);
    const label = `make the mount point ${destination}`;
    if (directory) s.call(label, "mkdirat", [at, name, 0o755], { ignore: ["EEXIST"] });
    else s.call(label, "mknodat", [at, name, 0o100644, 0], { ignore: ["EEXIST"] });
    s.call(`close ${parent}`, "close", [at]);
  } else if (!c.job.existing.includes(destination)) return undefined;
  return openInRoot(s, root, destination, O.PATH, { resolve, label: `open the mount point ${destination}` });
}

/** Where a link leads that is made anew instead of a mount. */
const copiedLink = (c: Context, mount: Mount): string | undefined => c.job.links?.[mount.destination];

/** A link is made. One that leads there already is left. */
function addLink(s: SectionBuilder, root: Slot, path: string, target: string): void {
  const cut = path.lastIndexOf("/");
  const parent = mountPoint(s, root, path.slice(0, cut) || "/", { directory: true });
  const name = path.slice(cut + 1);
  const made = s.get(`make the link ${path}`, "symlinkat", [target, parent, name], { ignore: ["EEXIST"] });
  s.skipIf(made, "==", 0, () => {
    const text = buffer("where a link leads", PATH_MAX);
    s.call(`read the link ${path}`, "readlinkat", [parent, name, text, PATH_MAX - 1]);
    s.skipIf(text, "same", target, () => s.fail(`make the link ${path}`, errno("EEXIST")));
  });
  s.call(`close the parent of ${path}`, "close", [parent]);
}

/**
 * A bind mount is a peer of its source until it is told otherwise. It stays one only where the root is shared, too: elsewhere what is to be
 * shared has the host's mounts, and gives it none, as runc has it. Where nothing is said, it is as the root is.
 */
function propagationsOf(c: Context, o: MountOptions): readonly number[] {
  const ofRoot = c.spec.linux?.rootfsPropagation;
  if (!o.bind) return o.propagation;
  const asRoot = propagations[ofRoot === "shared" || ofRoot === "slave" ? ofRoot : "private"] | MS.REC;
  return (o.propagation.length ? o.propagation : [asRoot]).flatMap((wanted) => {
    const isShared = (wanted & MS.SHARED) !== 0;
    return isShared && ofRoot !== "shared" ? [(wanted & ~MS.SHARED) | MS.SLAVE, wanted] : [wanted];
  });
}

/** One mount of the spec, in the container's root, which is the working directory's and the process's root by now. */
export function addMount(c: Context, s: SectionBuilder, root: Slot, mount: Mount, source: Slot | undefined): void {
  const { destination } = mount;
  const o = mountOptions(mount);
  if (o.remount) {
    const at = openInRoot(s, root, destination, O.PATH, { label: `find the mount on ${destination}` });
    applyOptions(s, destination, at, o);
    s.call(`close ${destination}`, "close", [at]);
    return;
  }
  const target = copiedLink(c, mount);
  if (target !== undefined) {
    addLink(s, root, destination, target);
    return;
  }
  const directory = !o.bind || c.job.directories[mount.source ?? ""] !== false;
  const what = `${o.bind ? mount.source : mount.type} on ${destination}`;
  // All others have been opened.
  const mounted = source as Slot;
  const point =
    (o.onLink ? undefined : knownPoint(c, s, root, mount, directory)) ??
    mountPoint(s, root, destination, { directory, noLinks: isKernelView(mount), itself: o.onLink });
  if (o.bind) applyOptions(s, what, mounted, o);
  for (const propagation of propagationsOf(c, o))
    setAttributes(s, `propagation of ${what}`, mounted, {
      propagation: propagation & ~MS.REC,
      recursive: (propagation & MS.REC) !== 0,
    });
  if (mount.type === "mqueue" && c.spec.linux?.mountLabel) labelQueues(s, mounted, c.spec.linux.mountLabel);
  attach(s, `mount ${what}`, mounted, point);
  if (o.copyUp) copyUp(s, c.job.copyUp?.[destination] ?? [], point, mounted);
  s.call(`close ${destination}`, "close", [point]);
  s.call(`close the mount on ${destination}`, "close", [mounted]);
}

/** "size=64m" and "newinstance" as fsconfig(2) takes them. */
const parameters = (data: readonly string[]) =>
  data.map((word) => {
    const label = quotedContext(word);
    if (label) return label;
    const i = word.indexOf("=");
    return i < 0 ? ([word] as const) : ([word.slice(0, i), word.slice(i + 1)] as const);
  });
