import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { places } from "../../src/host/places.ts";

const list = (path: string): string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

const isExecutor = (pid: string): boolean => {
  try {
    // By the name alone: whatever runs from a checkout has "caisson" in its path, a network's resolver that ends by and by too.
    const [name = ""] = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return /^(caisson|executor-)/.test(basename(name));
  } catch {
    return false;
  }
};

/** What a container could leave behind: executors, mounts, control groups, state, files to be performed. */
export const leftovers = () => ({
  mounts: readFileSync("/proc/self/mountinfo", "utf8").split("\n").length,
  // v2 at the top, v1 a level below.
  groups: ["", ...list("/sys/fs/cgroup")].flatMap((c) =>
    list(`/sys/fs/cgroup/${c}`).filter((n) => n.startsWith("caisson-")),
  ),
  // Notes of groups that are gone are removed by who looks for them next.
  state: list(places().state).filter((n) => !n.startsWith(".")),
  data: list(places().data),
  files: list("/dev/shm").filter((n) => n.startsWith("caisson-")),
  supervisors: list("/proc").filter((p) => /^\d+$/.test(p) && isExecutor(p)).length,
});

/** Processes of ours that have ended and that nobody has reaped. proc_pid_stat(5) */
export const zombies = (): string[] =>
  list("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && /^\d+ \(caisson.*\) Z /s.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
    } catch {
      return false;
    }
  });

export const isRoot = process.geteuid?.() === 0;

/** The same once nothing changes any more: a supervisor exits a moment after it has said that its container ended. */
export async function settled(): Promise<ReturnType<typeof leftovers>> {
  const [pause, calm] = [40, 4];
  let last = leftovers();
  for (let same = 0; same < calm; ) {
    await new Promise((r) => setTimeout(r, pause));
    const now = leftovers();
    same = JSON.stringify(now) === JSON.stringify(last) ? same + 1 : 0;
    last = now;
  }
  return last;
}
