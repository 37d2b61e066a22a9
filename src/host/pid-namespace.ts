import { readdirSync, readlinkSync } from "node:fs";
import { identityOf, orUndefined } from "./identity.ts";

/**
 * All processes of a container's PID namespace, those of namespaces below it included: whoever is in it, and all that
 * descend from those.
 */
export function processesBeside(first: number): number[] {
  const own = orUndefined(() => readlinkSync(`/proc/${first}/ns/pid`));
  const pids = readdirSync("/proc").filter((n) => /^\d+$/.test(n));
  const isOwn = (p: string) => own !== undefined && orUndefined(() => readlinkSync(`/proc/${p}/ns/pid`)) === own;
  const inside = new Set([first, ...pids.filter(isOwn).map(Number)]);
  const parents = new Map(pids.map((p) => [Number(p), identityOf(Number(p))?.parent ?? 0] as const));
  for (let grew = true; grew; ) {
    grew = false;
    for (const [pid, parent] of parents)
      if (inside.has(parent) && !inside.has(pid)) {
        inside.add(pid);
        grew = true;
      }
  }
  return [...inside];
}
