import { AT_FDCWD, CLONE, MOUNT_ATTR, makedev, O, P_PID, WEXITED } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, buffer, high, low } from "../program/values.ts";
import { type Context, isNew } from "./context.ts";
import { nodeFormats } from "./devices.ts";
import { mountOptions } from "./mount-options.ts";
import { attach, cloneTree, newFilesystem } from "./mounts.ts";
import type { Device, Mount } from "./spec.ts";
import { hostId, mapsOf } from "./users.ts";

export type Opened = { readonly mounts: ReadonlyMap<Mount, Slot>; readonly nodes: ReadonlyMap<Device, Slot> };

/** Bind mounts whose sources the root of the container's user namespace may not reach. */
const closedSources = (c: Context): readonly Mount[] =>
  (c.spec.mounts ?? []).filter((mount) => {
    const { bind, remount, idmap, sourceLink } = mountOptions(mount);
    const byPath = bind && !remount && idmap === "no" && sourceLink !== "copied";
    return byPath && c.job.closed?.includes(mount.source ?? "");
  });

/** In a user namespace mknod(2) of a device is refused; the host's own node has the host's owner and mode. */
const ownNodes = (c: Context): readonly Device[] =>
  isNew(c.spec, "user") && c.facts.uid === 0 && !c.facts.userNamespace && c.facts.bounding.includes("CAP_MKNOD")
    ? (c.spec.linux?.devices ?? []).filter((d) => d.type !== "p")
    : [];

function makeNodes(c: Context, opener: SectionBuilder, devices: readonly Device[]): Map<Device, Slot> {
  const attributes = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NOEXEC;
  const directory = newFilesystem(opener, "tmpfs", [["source", "devices"]], attributes);
  // Only what is attached can be cloned (before Linux 6.15): the holder's mounts are nobody else's.
  const { scratch } = c.job;
  const flags = O.PATH | O.DIRECTORY | O.CLOEXEC;
  const at = opener.get(`open ${scratch}`, "openat", [AT_FDCWD, scratch, flags, 0]);
  attach(opener, `put it at ${scratch}`, directory, at);
  opener.call("clear the umask", "umask", [0]);
  const { uid, gid } = mapsOf(c);
  const nodes = devices.map((d, i) => {
    const [name, mode] = [`${i}`, nodeFormats[d.type] | (d.fileMode ?? 0o666)];
    opener.call(`make ${d.path}`, "mknodat", [directory, name, mode, makedev(d.major ?? 0, d.minor ?? 0)]);
    const owner = [hostId(uid, d.uid ?? 0), hostId(gid, d.gid ?? 0)] as const;
    opener.call(`owner of ${d.path}`, "fchownat", [directory, name, ...owner, 0]);
    return [d, cloneTree(opener, `take ${d.path}`, directory, name)] as const;
  });
  // They are the caller's descriptors, too.
  for (const fd of [directory, at]) opener.call("close what was for that", "close", [fd]);
  return new Map(nodes);
}

/**
 * Mounts, not attached yet, that the root of the container's user namespace has no right to make. They are opened with the
 * host's rights, but in a copy of its mounts that belongs to another user namespace: what such a copy is made of keeps
 * its "read-only", "nosuid" and "nodev", so that a container which may mount cannot take them off again
 * (mount_namespaces(7), "Restrictions on mount namespaces").
 */
export function openByOpener(c: Context, s: SectionBuilder): Opened {
  const [closed, devices] = [closedSources(c), ownNodes(c)];
  if (closed.length + devices.length === 0) return { mounts: new Map(), nodes: new Map() };
  const [holder, opener] = [c.program.section("holder of the mounts"), c.program.section("opener of mounts")];
  const [pipe, pidfd] = [c.program.slot("pipe of the holder"), c.program.slot("pidfd of the holder")];
  s.call("make a pipe for the holder", "pipe2", [addressOf(pipe), O.CLOEXEC]);
  const flags = CLONE.NEWUSER | CLONE.NEWNS | CLONE.PIDFD;
  const held = s.spawn("start one with mounts of another user namespace", holder, { flags, pidfd });
  holder.call("close the other end", "close", [high(pipe)]);
  holder.call("stay until all is opened", "read", [low(pipe), buffer("one byte", 1), 1]);
  // The descriptors are shared with the caller, and so with its next child.
  const pid = s.spawn("start the opener of mounts", opener, { flags: CLONE.FILES });
  opener.call("enter the holder's mounts", "setns", [low(pidfd), CLONE.NEWNS]);
  const mounts = new Map(
    closed.map((mount) => {
      const { recursive, sourceLink } = mountOptions(mount);
      const source = mount.source ?? "";
      const label = `open ${source}, to bind on ${mount.destination}`;
      return [mount, cloneTree(opener, label, AT_FDCWD, source, { recursive, link: sourceLink === "itself" })];
    }),
  );
  const nodes = devices.length ? makeNodes(c, opener, devices) : new Map<Device, Slot>();
  opener.exit(0);
  s.call("wait for the opener of mounts", "waitid", [P_PID, pid, 0, WEXITED, 0]);
  s.check("were the mounts opened?");
  for (const fd of [low(pipe), high(pipe), low(pidfd)]) s.call("let go of the holder", "close", [fd]);
  s.call("reap the holder", "waitid", [P_PID, held, 0, WEXITED, 0], { ignore: ["ECHILD"] });
  return { mounts, nodes };
}
