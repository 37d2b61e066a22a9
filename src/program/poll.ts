import type { SectionBuilder } from "./builder.ts";
import type { Block } from "./types.ts";
import { type Loose, struct } from "./values.ts";

/** poll(2) */
export const POLL = { IN: 1, PRI: 2 } as const;

/** struct pollfd of one file descriptor, which is known when the program is performed. */
export function pollFor(s: SectionBuilder, fd: Loose, events: number): Block {
  const fds = struct("pollfd", [
    [4, 0],
    [2, events],
    [2, 0],
  ]);
  s.store(fd, fds, 0, 4);
  return fds;
}

const NANO = 1e9;

/** struct timespec */
export function timespec(seconds: number): Block {
  const whole = Math.floor(seconds);
  return struct("timespec", [
    [8, whole],
    [8, Math.round((seconds - whole) * NANO)],
  ]);
}
