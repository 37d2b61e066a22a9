import { readFileSync } from "node:fs";
import { isCode } from "../values/code-of.ts";

/** A process, and when it started in clock ticks since boot: its number alone may be another's by and by. */
export type Identity = { readonly pid: number; readonly startedAt: string };

const TICK_MS = 10;
/** Milliseconds since boot, cut off: a tick is the hundredth of a second for whoever asks, on every machine (USER_HZ). */
export const startedMs = (p: Identity): number => Number(p.startedAt) * TICK_MS;

/** proc_pid_stat(5): the name may have anything in it, so what follows is counted from its last parenthesis. */
export function parseStat(
  text: string,
): Identity & { readonly state: string; readonly parent: number; readonly threads: number } {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = "?", parent = "0"] = fields;
  return {
    pid: Number.parseInt(text, 10),
    state,
    parent: Number(parent),
    threads: Number(fields[17]),
    startedAt: fields[19] ?? "",
  };
}

/** Of a process: undefined if it ended as it was looked at, or procfs hides it (hidepid of proc(5)), or it is of somebody with more rights. */
export function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (e) {
    if (isCode(e, "ENOENT", "ESRCH", "EACCES", "EPERM")) return undefined;
    throw e;
  }
}

/** A process that is there now, as far as it can be seen. */
export const identityOf = (pid: number): ReturnType<typeof parseStat> | undefined =>
  orUndefined(() => parseStat(readFileSync(`/proc/${pid}/stat`, "latin1")));

/** A zombie has, unless only its first thread has and others go on. */
export const isDead = ({ state, threads }: { readonly state: string; readonly threads: number }): boolean =>
  state === "X" || (state === "Z" && threads <= 1);

/** Whether a process is the one that was noted, and has not ended. */
export function isAlive(noted: Identity): boolean {
  const now = identityOf(noted.pid);
  return now !== undefined && now.startedAt === noted.startedAt && !isDead(now);
}
