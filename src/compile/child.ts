import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, O, P_PIDFD, WEXITED } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Block, type Policy, type Slot } from "../program/types.ts";
import { type Loose, textBlock } from "../program/values.ts";

const SIGKILL = 9;
const PROC = "/proc/";
/** As long as any number, since a pid may be read from a file, and the NUL. */
const HOLE = "\0".repeat(22);

/** The proc directory of a process whose pid is only known when it exists: the path has a hole for it. */
export function openProc(s: SectionBuilder, pid: Slot, whose = "its", policy: Policy = {}): Slot {
  const path = textBlock(`${PROC}${HOLE}`, `path of ${whose} proc directory`);
  s.format(pid, path, PROC.length);
  return s.get(`open ${whose} proc directory`, "openat", [AT_FDCWD, path, O.PATH | O.CLOEXEC, 0], policy);
}

/** The path of its status file (proc_pid_status(5)): what the pid leaves of the hole are slashes. */
export function statusPath(s: SectionBuilder, pid: Slot): Block {
  const path = textBlock(`${PROC}${"/".repeat(HOLE.length)}status\0`, "path of its status");
  s.format(pid, path, PROC.length);
  return path;
}

/** Whatever has become of it: a descriptor that was never opened is EBADF. */
export function endChild(s: SectionBuilder, what: string, pidfd: Loose): void {
  s.call(`end ${what}`, "pidfd_send_signal", [pidfd, SIGKILL, 0, 0], ANY);
  s.call(`reap ${what}`, "waitid", [P_PIDFD, pidfd, 0, WEXITED, 0], ANY);
}

/** Whoever enters a container to start it there may be killed on the way, by what ends all that is in the container's groups. */
export const needBorn = (s: SectionBuilder, child: Slot): void =>
  s.skipIf(child, ">", 0, () => s.fail("enter the container's namespaces", errno("ESRCH")));
