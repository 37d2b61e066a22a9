import { AT_FDCWD, CLONE, O, P_PID, WEXITED } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, buffer, high, low } from "../program/values.ts";
import type { Context } from "./context.ts";
import { mountOptions } from "./mount-options.ts";
import { cloneTree } from "./mounts.ts";
import type { Mount } from "./spec.ts";

/**
 * Bind mounts whose sources the root of the container's user namespace may not reach, not attached yet. They are opened
 * with the host's rights, but in a copy of its mounts that belongs to another user namespace: what such a copy is made of
 * keeps its "read-only", "nosuid" and "nodev", so that a container which may mount cannot take them off again
 * (mount_namespaces(7), "Restrictions on mount namespaces").
 */
export function closedSources(c: Context, s: SectionBuilder): ReadonlyMap<Mount, Slot> {
  const opened = new Map<Mount, Slot>();
  const closed = (c.spec.mounts ?? []).filter((m) => isOpenedByPath(m) && c.job.closed?.includes(m.source ?? ""));
  if (closed.length === 0) return opened;
  const [holder, opener] = [c.program.section("holder of the mounts"), c.program.section("opener of sources")];
  const [pipe, pidfd] = [c.program.slot("pipe of the holder"), c.program.slot("pidfd of the holder")];
  s.call("make a pipe for the holder", "pipe2", [addressOf(pipe), O.CLOEXEC]);
  const flags = CLONE.NEWUSER | CLONE.NEWNS | CLONE.PIDFD;
  const held = s.spawn("start one with mounts of another user namespace", holder, { flags, pidfd });
  holder.call("close the other end", "close", [high(pipe)]);
  holder.call("stay until all is opened", "read", [low(pipe), buffer("one byte", 1), 1]);
  // The descriptors are shared with the caller, and so with its next child.
  const pid = s.spawn("start the opener of sources", opener, { flags: CLONE.FILES });
  opener.call("enter the holder's mounts", "setns", [low(pidfd), CLONE.NEWNS]);
  for (const mount of closed) {
    const { recursive, sourceLink } = mountOptions(mount);
    const source = mount.source ?? "";
    const label = `open ${source}, to bind on ${mount.destination}`;
    opened.set(mount, cloneTree(opener, label, AT_FDCWD, source, recursive, sourceLink === "itself"));
  }
  opener.exit(0);
  s.call("wait for the opener of sources", "waitid", [P_PID, pid, 0, WEXITED, 0]);
  s.check("were the sources opened?");
  for (const fd of [low(pipe), high(pipe), low(pidfd)]) s.call("let go of the holder", "close", [fd]);
  s.call("reap the holder", "waitid", [P_PID, held, 0, WEXITED, 0], { ignore: ["ECHILD"] });
  return opened;
}

function isOpenedByPath(mount: Mount): boolean {
  const { bind, remount, idmap, sourceLink } = mountOptions(mount);
  return bind && !remount && idmap === "no" && sourceLink !== "copied";
}
