import { AT_FDCWD, CLONE, MOUNT_ATTR, O, P_PID, WEXITED } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, buffer, high, low } from "../program/values.ts";
import { openProc } from "./child.ts";
import type { Context } from "./context.ts";
import { mountOptions } from "./mount-options.ts";
import { cloneTree, setAttributes } from "./mounts.ts";
import type { Mount } from "./spec.ts";
import { type Maps, mapsOf, writeIdMaps } from "./users.ts";

const mapsFor = (c: Context, mount: Mount): Maps =>
  mount.uidMappings?.length || mount.gidMappings?.length
    ? { uid: mount.uidMappings ?? [], gid: mount.gidMappings ?? [] }
    : mapsOf(c);

/** A user namespace with these maps, as a file descriptor: whoever was in it first has ended when this is performed. */
export function userNamespace(c: Context, s: SectionBuilder, maps: Maps, holder: SectionBuilder): Slot {
  const pipe = c.program.slot("pipe of the one that holds a user namespace");
  s.call("make a pipe for it", "pipe2", [addressOf(pipe), O.CLOEXEC]);
  const pid = s.spawn("start one in a new user namespace", holder, { flags: CLONE.NEWUSER });
  holder.call("close the other end", "close", [high(pipe)]);
  holder.call("stay until it is opened", "read", [low(pipe), buffer("one byte", 1), 1]);
  writeIdMaps(c, s, pid, maps);
  const directory = openProc(s, pid);
  const fd = s.get("open its user namespace", "openat", [directory, "ns/user", O.RDONLY | O.CLOEXEC, 0]);
  for (const n of [directory, low(pipe), high(pipe)]) s.call("close what was for that", "close", [n]);
  s.call("reap it", "waitid", [P_PID, pid, 0, WEXITED, 0], { ignore: ["ECHILD"] });
  return fd;
}

/**
 * Bind mounts with mapped ids, not attached yet. Made outside: in a user namespace of its own the container has no
 * right over the file systems that they are of.
 */
export function idMounts(c: Context, s: SectionBuilder): ReadonlyMap<Mount, Slot> {
  const made = new Map<Mount, Slot>();
  const namespaces = new Map<string, Slot>();
  for (const mount of c.spec.mounts ?? []) {
    const o = mountOptions(mount);
    if (o.idmap === "no" || !o.bind) continue;
    const maps = mapsFor(c, mount);
    const key = JSON.stringify(maps);
    const users = namespaces.get(key) ?? userNamespace(c, s, maps, c.program.section("holder of a user namespace"));
    namespaces.set(key, users);
    const source = mount.source ?? "";
    const tree = cloneTree(s, `open ${source}, to map its ids on ${mount.destination}`, AT_FDCWD, source, {
      recursive: o.recursive,
    });
    setAttributes(s, `map the ids of ${source}`, tree, {
      set: MOUNT_ATTR.IDMAP,
      users,
      recursive: o.idmap === "tree",
    });
    made.set(mount, tree);
  }
  for (const fd of namespaces.values()) s.call("close a user namespace", "close", [fd]);
  return made;
}
