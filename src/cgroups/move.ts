import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import { parseOwnGroups } from "../host/facts.ts";
import { isCode } from "../values/code-of.ts";
import { ControlGroupError, writeFile } from "./files.ts";
import { type Hierarchy, hierarchies, type Layout } from "./layout.ts";
import { parentOf } from "./names.ts";

/** The group, or its nearest ancestor but the top, which has a directory in this hierarchy. What is named so is no file: names.ts. */
export const nearest = (h: Hierarchy, path: string): string | undefined => {
  for (let p = path; p !== ""; p = parentOf(p)) if (existsSync(h.top + p)) return h.top + p;
  return undefined;
};

const usual = Buffer.alloc(4096);

/** In fewer calls than to find out how long it is. */
function firstOf(file: string): string {
  const fd = openSync(file, "r");
  try {
    const n = readSync(fd, usual);
    return n < usual.length ? usual.toString("utf8", 0, n) : readFileSync(file, "utf8");
  } finally {
    closeSync(fd);
  }
}

/** A process that has ended is in none: to move it will say so. */
function groupsOf(pid: number): string {
  try {
    return firstOf(`/proc/${pid}/cgroup`);
  } catch (e) {
    if (isCode(e, "ENOENT", "ESRCH")) return "";
    throw e;
  }
}

/** Where a process was, by hierarchy: what to write to bring it back. */
function placesOf(layout: Layout, text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [controller, path] of Object.entries(text === "" ? {} : parseOwnGroups(text))) {
    const point = controller === "" ? layout.v2?.point : layout.v1[controller];
    if (point !== undefined) found.set(point, point + path);
  }
  return found;
}

/** Where a process of the group is to be: in each hierarchy that has it, or one that it is in. */
export type Target = { readonly point: string; readonly directory: string };
export const targetsOf = (layout: Layout, path: string): Target[] =>
  hierarchies(layout).flatMap((h) => {
    const directory = nearest(h, path);
    return directory === undefined ? [] : [{ point: h.point, directory }];
  });
/** The same of a group at the top of which it is known where it was made. */
export const targetsAmong = (layout: Layout, path: string, made: readonly string[]): Target[] =>
  hierarchies(layout).flatMap(({ top, point }) => (made.includes(top + path) ? { point, directory: top + path } : []));

/** Moves a process with all its threads; if one hierarchy refuses, back in all. */
export function moveProcess(layout: Layout, targets: readonly Target[], pid: number): void {
  // Only who is in one hierarchy already has to be brought back from it.
  const before = targets.length > 1 ? groupsOf(pid) : "";
  let done = 0;
  try {
    for (const { directory } of targets) {
      writeFile(`${directory}/cgroup.procs`, String(pid));
      done++;
    }
  } catch (e) {
    const places = placesOf(layout, before);
    for (const { point } of targets.slice(0, done)) {
      const old = places.get(point);
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
