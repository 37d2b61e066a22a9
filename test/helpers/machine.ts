import { readdirSync, readFileSync } from "node:fs";
import { places } from "../../src/container/places.ts";

const list = (path: string): string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

const isExecutor = (pid: string): boolean => {
  try {
    return /caisson|executor-/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0] ?? "");
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
  state: list(places().state),
  files: list("/dev/shm").filter((n) => n.startsWith("caisson-")),
  supervisors: list("/proc").filter((p) => /^\d+$/.test(p) && isExecutor(p)).length,
});

export const isRoot = process.geteuid?.() === 0;
