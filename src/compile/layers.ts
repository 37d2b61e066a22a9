import { basename } from "node:path";
import { covers } from "../host/in-root.ts";
import { fileMounts, type HostMount, isDeleted, mapsIds } from "../host/mountinfo.ts";
import { AT_FDCWD, MOUNT_ATTR, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, isNew } from "./context.ts";
import { WHOLE } from "./copy-up.ts";
import { attach, cloneTree, newFilesystem, setAttributes } from "./mounts.ts";
import { mapsOf, rootOf } from "./users.ts";

export const openDirectory = (s: SectionBuilder, path: string, ignore?: readonly string[]): Slot =>
  s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.PATH | O.DIRECTORY | O.CLOEXEC, 0], ignore && { ignore });

/** The most bytes of a name in a directory. limits.h */
const NAME_MAX = 255;

/** What is written belongs to the container's root, whoever puts the root together. */
export function makeUpper(c: Context, s: SectionBuilder, at: string): void {
  for (const name of ["", "/diff", "/work"])
    s.call(`make ${at}${name}`, "mkdirat", [AT_FDCWD, `${at}${name}`, 0o755], { ignore: ["EEXIST"] });
  const { uid, gid } = mapsOf(c);
  if (c.job.mapRoot)
    s.call(`give ${at}/diff to the container's root`, "fchownat", [
      AT_FDCWD,
      `${at}/diff`,
      rootOf(uid) ?? 0,
      rootOf(gid) ?? 0,
      0,
    ]);
}

const { NOSUID, NODEV, NOEXEC, NOSYMFOLLOW } = MOUNT_ATTR;
const restrictions: Readonly<Record<string, number>> = {
  nosuid: NOSUID,
  nodev: NODEV,
  noexec: NOEXEC,
  nosymfollow: NOSYMFOLLOW,
};

/** What a file system of the host's is not to be used for, it is not to be used for in a view of it either. */
export const restrictionsOf = (mount: HostMount | undefined): number =>
  mount?.options.reduce((flags, word) => flags | (restrictions[word] ?? 0), 0) ?? 0;

type Layers = { readonly lower: string; readonly upper: string; readonly attributes: number };

/** An overlay of `lower`, its changes in `upper` and its work directory beside them. Where it `mayNotBe`, a slot below zero says so. */
export function overlay(c: Context, s: SectionBuilder, o: Layers, mayNotBe = false): Slot {
  const layer = (path: string) => path.replace(/[\\:]/g, "\\$&");
  return newFilesystem(
    s,
    "overlay",
    [
      ["source", "caisson"],
      ["lowerdir", layer(o.lower)],
      ["upperdir", layer(`${o.upper}/diff`)],
      ["workdir", layer(`${o.upper}/work`)],
      // Without privileges over the file system, overlay marks its files in the user.* attributes.
      ...((isNew(c.spec, "user") && !c.job.mapRoot) || c.facts.userNamespace ? [["userxattr"] as const] : []),
    ],
    o.attributes | (c.job.mapRoot ? NODEV : 0),
    mayNotBe,
  );
}

/** As it is, but for what is written. */
function readOnly(s: SectionBuilder, point: string, { lower, attributes }: Layers, into?: Slot): Slot {
  const tree = cloneTree(s, `open ${point}, which cannot be a layer`, AT_FDCWD, lower, { into });
  setAttributes(s, `make ${point} read-only`, tree, { set: MOUNT_ATTR.RDONLY | attributes });
  return tree;
}

/**
 * A view of one of the host's file systems, read-only where it cannot be a layer: FAT and others that compare names in ways of
 * their own, and an overlay of overlays.
 */
export function viewOf(c: Context, s: SectionBuilder, point: string, o: Layers): Slot {
  if (new TextEncoder().encode(basename(o.upper)).length > NAME_MAX) return readOnly(s, point, o);
  makeUpper(c, s, o.upper);
  const view = overlay(c, s, o, true);
  s.skipIf(view, ">", -1, () => void readOnly(s, point, o, view));
  return view;
}

/** A file that others are mounted on, by itself. What it shows may have no name any more, and cannot be mounted again then. */
function showFile(s: SectionBuilder, mount: HostMount): void {
  const { point } = mount;
  if (isDeleted(mount)) {
    const from = s.get(`open ${point}`, "openat", [AT_FDCWD, point, O.RDONLY | O.CLOEXEC, 0]);
    const to = s.get(`open the copy of ${point}`, "openat", [
      AT_FDCWD,
      `.${point}`,
      O.WRONLY | O.TRUNC | O.NOFOLLOW | O.CLOEXEC,
      0,
    ]);
    s.call(`copy ${point}`, "sendfile", [to, from, 0, WHOLE]);
    for (const fd of [from, to]) s.call(`close ${point}`, "close", [fd]);
    return;
  }
  const file = cloneTree(s, `open ${point}`, AT_FDCWD, point);
  setAttributes(s, `make ${point} read-only`, file, { set: MOUNT_ATTR.RDONLY });
  const at = s.get(`open .${point}`, "openat", [AT_FDCWD, `.${point}`, O.PATH | O.CLOEXEC, 0]);
  attach(s, `show ${point}`, file, at);
  for (const fd of [file, at]) s.call(`close ${point}`, "close", [fd]);
}

/** As a name by itself; caisson diff reads it. */
const asName = (point: string) => point.replaceAll("%", "%25").replaceAll("/", "%2F");

/**
 * The host's other file systems, as parts of a copy-on-write view of its root; their changes are in directories of their own.
 * `mapped`: makes a layer of a path that shows its ids as the container's.
 */
export function showOthers(c: Context, s: SectionBuilder, mapped: ((path: string) => string) | undefined): void {
  const { scratch, root } = c.job;
  for (const m of fileMounts(c.facts.mounts)) {
    const { point } = m;
    if (m.isOutOfReach || covers(scratch, point) || (root.kind === "overlay" && point === root.keep)) continue;
    if (m.isFile) {
      showFile(s, m);
      continue;
    }
    // Since the mounts were looked at, it may have gone with its directory, as the root of another engine's container does.
    const at = openDirectory(s, `.${point}`, ["ENOENT"]);
    s.skipIf(at, "<", 0, () => {
      const upper = `${scratch}/changes/${asName(point)}`;
      const lower = mapped && mapsIds(c.facts, m.type) ? mapped(point) : point;
      const view = viewOf(c, s, point, { lower, upper, attributes: restrictionsOf(m) });
      attach(s, `mount the copy-on-write view of ${point}`, view, at);
      for (const fd of [view, at]) s.call(`close ${point}`, "close", [fd]);
    });
  }
}
