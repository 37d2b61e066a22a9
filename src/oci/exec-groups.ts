import { join } from "node:path";
import { isDirectory, readOptional } from "../cgroups/files.ts";
import type { Layout } from "../cgroups/layout.ts";
import type { CgroupPlan } from "../compile/job.ts";
import { hostFacts, parseOwnGroups } from "../host/facts.ts";
import { engineLayout } from "./groups.ts";
import { RuntimeError } from "./places.ts";
import type { Container } from "./state.ts";

/** "PATH" is for all hierarchies, "cpu,memory:PATH" for those of these controllers. */
function belowFor(layout: Layout, directory: string, given: readonly string[]): string | undefined {
  for (const words of given) {
    const [, names, path] = /^(?:([\w=,]*):)?(.*)$/.exec(words) ?? [];
    if (names === undefined) return path;
    const tops = names.split(",").map((name) => {
      const top = name === "" ? layout.v2?.point : layout.v1[name];
      if (top === undefined)
        throw new RuntimeError(`--cgroup: unknown controller ${JSON.stringify(name)}: v1 has none of that name here`);
      return top;
    });
    if (tops.some((top) => directory.startsWith(`${top}/`))) return path;
  }
  return undefined;
}

function subGroup(directory: string, below: string): string {
  if (below.split("/").includes(".."))
    throw new RuntimeError(`--cgroup: ${below} is not a sub cgroup path: it leads out of the container's group`);
  const group = join(directory, below);
  if (!isDirectory(group)) throw new RuntimeError(`--cgroup: ${below}: there is no group ${group}`);
  return group;
}

/**
 * The groups that the process is to enter. A container that has made groups of its own on v2 takes no process in its
 * top one: there it is the first process's.
 */
export function groupsOf(c: Container, pid: number, below: readonly string[]): CgroupPlan {
  const layout = engineLayout(hostFacts());
  const top = layout.v2 && layout.v2.point;
  const groups = c.saved.cgroup.directories.filter(isDirectory).map((d) => {
    const unified = top !== undefined && d.startsWith(`${top}/`);
    const wanted = belowFor(layout, d, below);
    if (wanted !== undefined) return { path: subGroup(d, wanted), unified };
    const full = unified && readOptional(`${d}/cgroup.subtree_control`)?.trim();
    if (!full) return { path: d, unified };
    return { path: `${top}${parseOwnGroups(readOptional(`/proc/${pid}/cgroup`) ?? "")[""] ?? ""}`, unified };
  });
  const shares = (c.saved.cgroup.resctrl?.join ?? []).map((path) => ({ path, unified: false }));
  return {
    groups: [...groups, ...shares].map((g) => ({
      ...g,
      parents: [],
      prepare: [],
      writes: [],
      reads: [],
      existing: true,
    })),
  };
}
