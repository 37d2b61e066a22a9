import { readFileSync } from "node:fs";
import { cpus as hostCpus, totalmem } from "node:os";
import { readOptional } from "../cgroups/files.ts";
import type { Layout } from "../cgroups/layout.ts";
import type { ViewFacts } from "./contents.ts";

/** Where a container is looked at: its group's directory for each controller, its limits as they were asked for. */
export type Watched = {
  readonly layout: Layout;
  readonly path: string;
  readonly cpus: number | undefined;
  /** Milliseconds since 1970. */
  readonly began: number;
};

const NO_LIMIT = 2 ** 60;
const USEC = 1e6;
const NSEC = 1e9;

const number = (text: string | undefined) => {
  const n = Number.parseInt(text ?? "", 10);
  return Number.isFinite(n) ? n : 0;
};
const keyed = (text: string | undefined, key: string) =>
  number(new RegExp(`^${key} (\\d+)`, "m").exec(text ?? "")?.[1]);

const bounded = (n: number, most: number) => (n > 0 && n < NO_LIMIT ? Math.min(n, most) : most);

function memoryOf(w: Watched): Pick<ViewFacts, "memory" | "swap"> {
  const total = totalmem();
  const v1 = w.layout.v1["memory"];
  const directory = `${v1 ?? w.layout.v2?.point ?? ""}${w.path}`;
  const read = (name: string) => readOptional(`${directory}/${name}`);
  const stat = read("memory.stat");
  if (v1 !== undefined) {
    const limit = bounded(number(read("memory.limit_in_bytes")), total);
    const both = number(read("memory.memsw.limit_in_bytes"));
    const used = number(read("memory.usage_in_bytes"));
    const withSwap = number(read("memory.memsw.usage_in_bytes"));
    const swap = both > 0 && both < NO_LIMIT ? Math.max(0, both - limit) : 0;
    return {
      memory: { limit, used: Math.min(used, limit), cache: keyed(stat, "total_inactive_file") },
      swap: { limit: swap, used: Math.max(0, Math.min(swap, withSwap - used)) },
    };
  }
  const limit = bounded(number(read("memory.max")), total);
  const swap = number(read("memory.swap.max"));
  return {
    memory: { limit, used: Math.min(number(read("memory.current")), limit), cache: keyed(stat, "inactive_file") },
    swap: { limit: swap, used: Math.min(swap, number(read("memory.swap.current"))) },
  };
}

function cpuTimeOf(w: Watched): ViewFacts["cpuTime"] {
  const v1 = w.layout.v1["cpuacct"];
  if (v1 !== undefined) {
    const read = (name: string) => number(readOptional(`${v1}${w.path}/${name}`)) / NSEC;
    return { user: read("cpuacct.usage_user"), system: read("cpuacct.usage_sys") };
  }
  const stat = readOptional(`${w.layout.v2?.point ?? ""}${w.path}/cpu.stat`);
  return { user: keyed(stat, "user_usec") / USEC, system: keyed(stat, "system_usec") / USEC };
}

/** Its tasks, and those that run or are ready to. */
export function tasksOf(w: Watched): ViewFacts["tasks"] {
  const home = w.layout.v1["memory"] ?? w.layout.v1["pids"] ?? w.layout.v2?.point ?? "";
  const pids = (readOptional(`${home}${w.path}/cgroup.procs`) ?? "").split("\n").filter(Boolean);
  const running = pids.filter((pid) => {
    const stat = readOptional(`/proc/${pid}/stat`);
    return stat?.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) === "R";
  });
  return { running: running.length, all: pids.length };
}

export const cpusOf = (w: Pick<Watched, "cpus">): number =>
  Math.min(hostCpus().length, w.cpus === undefined ? hostCpus().length : Math.ceil(w.cpus));

export function gather(w: Watched, load: ViewFacts["load"]): ViewFacts {
  const read = (name: string) => readFileSync(`/proc/${name}`, "utf8");
  return {
    cpus: cpusOf(w),
    ...memoryOf(w),
    uptime: (Date.now() - w.began) / 1000,
    load,
    tasks: tasksOf(w),
    cpuTime: cpuTimeOf(w),
    host: { meminfo: read("meminfo"), cpuinfo: read("cpuinfo"), stat: read("stat") },
  };
}
