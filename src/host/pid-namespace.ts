import { readdirSync, readFileSync, readlinkSync } from "node:fs";

const orUndefined = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch (e) {
    // It ended while it was looked at, or is of somebody with more rights, and so none of the container's.
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((e as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw e;
  }
};

/**
 * All processes of a container's PID namespace, those of namespaces below it included: whoever is in it, and all that
 * descend from those.
 */
export function processesBeside(first: number): number[] {
  const own = orUndefined(() => readlinkSync(`/proc/${first}/ns/pid`));
  const pids = readdirSync("/proc").filter((n) => /^\d+$/.test(n));
  const isOwn = (p: string) => own !== undefined && orUndefined(() => readlinkSync(`/proc/${p}/ns/pid`)) === own;
  const inside = new Set([first, ...pids.filter(isOwn).map(Number)]);
  const parents = new Map(
    pids.map((p) => {
      const stat = orUndefined(() => readFileSync(`/proc/${p}/stat`, "utf8"));
      return [Number(p), Number(stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[1] ?? 0)] as const;
    }),
  );
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
