import { AT_FDCWD, CLONE, MS, P_PID, WEXITED } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import type { Context } from "./context.ts";
import { idMounts, userNamespace } from "./id-mounts.ts";
import { cloneTree } from "./mounts.ts";
import { type Opened, openByOpener } from "./opener.ts";
import { assembleRoot } from "./rootfs.ts";
import { mapsOf } from "./users.ts";

/** Mounts that the container itself, in a user namespace of its own, has no right to make. */
export function openOutside(c: Context, s: SectionBuilder): Opened {
  const mapped = idMounts(c, s);
  const { mounts, nodes } = openByOpener(c, s);
  return { mounts: new Map([...mapped, ...mounts]), nodes };
}

/** The container has them by now. */
export function leaveOpened({ mounts, nodes }: Opened, s: SectionBuilder): void {
  for (const fd of [...mounts.values(), ...nodes.values()]) s.call("leave a mount to the container", "close", [fd]);
}

/**
 * A root filesystem whose ids are mapped is put together with the host's rights: in a user namespace of its own nobody
 * may map ids of the host's file systems. A process with mounts of its own does it, and leaves all of them as one tree
 * in the descriptors that it shares with its parent; the container only attaches that.
 */
export function assembleOutside(c: Context, s: SectionBuilder): Slot {
  const holder = c.program.section("holder of the ids");
  const assembler = c.program.section("assembler of the root");
  const users = userNamespace(c, s, mapsOf(c), holder);
  const pid = s.spawn("start the assembler of the root", assembler, { flags: CLONE.FILES | CLONE.NEWNS });
  assembler.call("separate its mounts from the host's", "mount", [0, "/", 0, MS.REC | MS.PRIVATE, 0]);
  assembleRoot(c, assembler, users);
  const tree = cloneTree(assembler, "take the root as it is", AT_FDCWD, ".", { recursive: true });
  assembler.exit(0);
  s.call("wait for the assembler of the root", "waitid", [P_PID, pid, 0, WEXITED, 0]);
  s.check("was the root put together?");
  s.call("close the user namespace", "close", [users]);
  return tree;
}
