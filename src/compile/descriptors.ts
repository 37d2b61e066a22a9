import { CLOSE_RANGE_CLOEXEC, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Loose } from "../program/values.ts";

/** File descriptors with a fixed number, so that all others can be closed by range. */
export const FD = {
  /** The launcher's socket (library), or the file that is performed (command). */
  CONTROL: 3,
  /** In the supervisor and its first process: the network namespace that was made before. */
  ENTER: 4,
  /** The container's side of its standard streams, in the supervisor. */
  STDIO: 5,
  /** In the container: closes when the command is executed. */
  READY: 3,
  /** In the supervisor: the pipes over which a waiting container gets its command, and answers. */
  WAITING: 8,
  /** The same in the container. */
  WARM: 4,
  /** In the supervisor: the socket over which the container hands out its seccomp listener. */
  NOTIFY: 10,
  /** The same in the container. */
  LISTENER: 6,
  /** In the launcher, which keeps this number with others (src/program/launcher.ts): the next network namespace. */
  SPARE: 15,
} as const;

/** In a process that watches for the launcher: the first number of what it keeps besides. */
export const WATCHED = FD.CONTROL + 1;

const LAST = 0xffffffff;

export const closeFrom = (s: SectionBuilder, first: number): void =>
  s.call(`close file descriptors from ${first} on`, "close_range", [first, LAST, 0]);

export const closeOnExecFrom = (s: SectionBuilder, first: number): void =>
  s.call(`close file descriptors from ${first} on at exec`, "close_range", [first, LAST, CLOSE_RANGE_CLOEXEC]);

/**
 * For a process that the launcher starts to stay: it keeps these alone, from `WATCHED` on. Those of containers that are being
 * started meanwhile are open in the launcher, and whoever had their streams would keep their ends from being seen.
 */
export function keepOnly(s: SectionBuilder, ...fds: readonly Loose[]): void {
  for (const [i, fd] of fds.entries()) s.call("keep what is watched", "dup3", [fd, WATCHED + i, O.CLOEXEC]);
  closeFrom(s, WATCHED + fds.length);
}
