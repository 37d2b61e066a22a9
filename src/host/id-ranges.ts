import { readFileSync } from "node:fs";

export type MappedRange = readonly [inside: number, outside: number, size: number];

/** What a process's user namespace maps. user_namespaces(7), "/proc/[pid]/uid_map" */
export const idRanges = (pid: number | "self", file: "uid_map" | "gid_map"): MappedRange[] =>
  readFileSync(`/proc/${pid}/${file}`, "utf8")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.trim().split(/\s+/).map(Number) as unknown as MappedRange);
