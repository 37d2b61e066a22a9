import { ControlGroupError, codeOf, isDirectory, readOptional, writeFile } from "./files.ts";
import { type Hierarchy, hierarchies, type Layout } from "./layout.ts";
import { lineage } from "./names.ts";

/** The group, or its nearest ancestor but the top, which has a directory in this hierarchy. */
export const nearest = (h: Hierarchy, path: string): string | undefined =>
  lineage(path)
    .reverse()
    .map((p) => h.top + p)
    .find(isDirectory);

/** Where a process is now, by hierarchy: what to write to bring it back. */
function placesOf(layout: Layout, pid: number): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of readOptional(`/proc/${pid}/cgroup`)?.trim().split("\n") ?? []) {
    const [, controllers = "", ...path] = line.split(":");
    const first = controllers.split(",")[0] ?? "";
    const point = controllers === "" ? layout.v2?.point : layout.v1[first];
    if (point !== undefined) found.set(point, point + path.join(":"));
  }
  return found;
}

/** Moves a process with all its threads, in each hierarchy that has the group; if one refuses, back in all. */
export function moveProcess(layout: Layout, path: string, pid: number): void {
  const before = placesOf(layout, pid);
  const done: string[] = [];
  try {
    for (const h of hierarchies(layout)) {
      const target = nearest(h, path);
      if (target === undefined || before.get(h.point) === target) continue;
      writeFile(`${target}/cgroup.procs`, String(pid));
      done.push(h.point);
    }
  } catch (e) {
    for (const point of done) {
      const old = before.get(point);
      try {
        if (old !== undefined) writeFile(`${old}/cgroup.procs`, String(pid));
      } catch (back) {
        // It has ended meanwhile: nothing is left to bring back.
        if (!(back instanceof ControlGroupError && back.errno === "ESRCH")) throw back;
      }
    }
    throw e;
  }
}

/** Moves all processes of `from` and below into `to`, one hierarchy only, until none is left behind. */
export function moveAll(from: () => readonly number[], to: string): void {
  const moved = new Set<number>();
  for (;;) {
    const rest = from().filter((pid) => !moved.has(pid));
    if (rest.length === 0) return;
    for (const pid of rest) {
      moved.add(pid);
      try {
        writeFile(`${to}/cgroup.procs`, String(pid));
      } catch (e) {
        if (!(e instanceof ControlGroupError) || e.errno !== "ESRCH") throw e;
      }
    }
  }
}
