import { readFileSync } from "node:fs";

/** A process, and when it started in clock ticks since boot: its number alone may be another's by and by. */
export type Identity = { readonly pid: number; readonly startedAt: string };

/** proc_pid_stat(5): the name may have anything in it, so what follows is counted from its last parenthesis. */
export function parseStat(text: string): Identity & { readonly state: string } {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid: Number.parseInt(text, 10), state: fields[0] ?? "?", startedAt: fields[19] ?? "" };
}

/** A process that is there now; undefined if there is none, or if procfs hides it (hidepid of proc(5)). */
export function identityOf(pid: number): (Identity & { readonly state: string }) | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
  } catch (e) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((e as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw e;
  }
}

/** Whether a process is the one that was noted; zombies have ended. */
export function isAlive(noted: Identity): boolean {
  const now = identityOf(noted.pid);
  return now !== undefined && now.startedAt === noted.startedAt && now.state !== "Z" && now.state !== "X";
}
