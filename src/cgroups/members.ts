import { readFileSync } from "node:fs";
import { isCode } from "../values/code-of.ts";
import { descendants, isDirectory, readOptional } from "./files.ts";
import { hierarchies, type Layout } from "./layout.ts";

/** The directories that a group has, the home hierarchy's first. */
export const directoriesOf = (layout: Layout, path: string): string[] =>
  hierarchies(layout)
    .map((h) => h.top + path)
    .filter(isDirectory);

/** The first of them: one look, where there is a home directory. */
export function directoryOf(layout: Layout, path: string): string | undefined {
  const h = hierarchies(layout).find(({ top }) => isDirectory(top + path));
  return h && h.top + path;
}

/** The processes of one directory. A threaded group has none of its own: its domain has them (cgroup-v2 "Threads"). */
export function processesIn(directory: string): number[] {
  const text = readOptional(`${directory}/cgroup.procs`);
  // 0 stands for a process of a PID namespace that is not seen from here.
  const pids = (text ?? "").split("\n").filter((line) => line !== "" && line !== "0");
  return [...new Set(pids.map(Number))].sort((a, b) => a - b);
}

/** The processes of a directory and all below. */
export const processesBelow = (directory: string): number[] => [
  ...new Set([directory, ...descendants(directory)].flatMap(processesIn)),
];

/** "make (123)", for messages. */
export function described(pid: number): string {
  try {
    return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (${pid})`;
  } catch (e) {
    if (isCode(e, "ENOENT", "ESRCH")) return `${pid} (ended)`;
    throw e;
  }
}

const NAMED = 8;
export const describedAll = (pids: readonly number[]): string =>
  pids.slice(0, NAMED).map(described).join(", ") + (pids.length > NAMED ? ` and ${pids.length - NAMED} more` : "");
