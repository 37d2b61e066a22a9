import { errnoName } from "../kernel/errno.ts";
import { RLIM_INFINITY, rlimitNames } from "../kernel/rlimits.ts";
import { performSteps } from "../program/steps.ts";
import { struct } from "../program/values.ts";
import type { Ulimit } from "../values/ulimits.ts";

/** A limit that a process did not take: raising a hard limit needs CAP_SYS_RESOURCE (getrlimit(2)). */
export type NotApplied = { readonly pid: number; readonly resource: string; readonly errno: string };

/** How many results one program has room for. */
const AT_ONCE = 400;

/** prlimit(2) for each process and limit. One that has ended meanwhile needs none. */
export async function setRlimits(pids: readonly number[], limits: readonly Ulimit[]): Promise<NotApplied[]> {
  const work = pids.flatMap((pid) => limits.map((limit) => ({ pid, limit })));
  const failed: NotApplied[] = [];
  for (let at = 0; at < work.length; at += AT_ONCE) {
    const some = work.slice(at, at + AT_ONCE);
    const done = await performSteps((s) =>
      some.map(({ pid, limit: { type, soft, hard } }) => {
        const value = (n: number) => (n < 0 ? RLIM_INFINITY : BigInt(n));
        const limit = struct("rlimit", [
          [8, value(soft)],
          [8, value(hard)],
        ]);
        const what = `set ${type} of process ${pid}`;
        return s.get(what, "prlimit64", [pid, rlimitNames.indexOf(type), limit, 0], { ignore: "all" });
      }),
    );
    done.made.forEach((slot, i) => {
      const errno = errnoName(-done.value(slot));
      const w = some[i];
      if (w && done.value(slot) < 0 && errno !== "ESRCH") failed.push({ pid: w.pid, resource: w.limit.type, errno });
    });
  }
  return failed;
}

/** Of several that hold at once, the narrowest of each. */
export function narrowest(all: readonly (readonly Ulimit[])[]): Ulimit[] {
  const found = new Map<string, Ulimit>();
  const least = (a: number, b: number) => (a < 0 ? b : b < 0 ? a : Math.min(a, b));
  for (const u of all.flat()) {
    const before = found.get(u.type);
    found.set(
      u.type,
      before ? { type: u.type, soft: least(before.soft, u.soft), hard: least(before.hard, u.hard) } : u,
    );
  }
  return [...found.values()];
}
