import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { struct } from "../program/values.ts";

/**
 * How many supervisors live, counted by the kernel: each adds one to a semaphore, which is taken back however it ends (semop(2), SEM_UNDO). Nothing
 * depends on it but that where as many live as there are state directories nobody has left one, and nobody needs to look (src/remember/others.ts).
 */
const KEY = 0x63616973;
const [IPC_CREAT, IPC_NOWAIT, SEM_UNDO, GETVAL] = [0o1000, 0o4000, 0x1000, 12];

const change = (by: number) =>
  struct("sembuf", [
    [2, 0],
    [2, by],
    [2, SEM_UNDO | IPC_NOWAIT],
  ]);

/** Where there are no semaphores, it is not counted. */
export function countLiving(s: SectionBuilder): Slot {
  const count = s.get("open the count of those who look after containers", "semget", [KEY, 1, IPC_CREAT | 0o600], ANY);
  s.call("be one of them", "semop", [count, change(1), 1], ANY);
  return count;
}

/** Before this process ends, since it may become another program first. */
export const countNoMore = (s: SectionBuilder, count: Slot): void =>
  s.call("be none of those who look after containers any more", "semop", [count, change(-1), 1], ANY);

/** Their number, or an errno. */
export function howManyLive(s: SectionBuilder): Slot {
  const count = s.get("look for the count of those who look after containers", "semget", [KEY, 0, 0], ANY);
  return s.get("how many are they?", "semctl", [count, 0, GETVAL, 0], ANY);
}
