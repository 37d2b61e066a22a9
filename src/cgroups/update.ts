import type { Write } from "./controller.ts";
import { filesOf, isDirectory, makeDirectory, readOptional, removeDirectory } from "./files.ts";
import { findFreezer } from "./freezer.ts";
import { whileFrozen } from "./guard.ts";
import { type Hierarchy, hierarchies, homeOf, type Layout } from "./layout.ts";
import { enable, filterDevices, Undo, writeLimit } from "./make.ts";
import { directoriesOf, processesBelow } from "./members.ts";
import { moveAll } from "./move.ts";
import { lineage, parentOf } from "./names.ts";
import { controllersFor, enabling } from "./plan.ts";
import { type CheckedLimits, controllerOf } from "./table.ts";

const FREEZE_MS = 10_000;

/** A v1 group in a hierarchy where it had none: made, and its processes moved there while they stand still. */
async function extend(layout: Layout, path: string, h: Hierarchy, undo: Undo): Promise<void> {
  const [known] = directoriesOf(layout, path);
  for (const p of lineage(path)) {
    const directory = h.top + p;
    if (!makeDirectory(directory)) continue;
    undo.add(() => removeDirectory(directory));
    // On v1 a group with no CPU or node takes no process.
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      const value = readOptional(`${h.top}${parentOf(p)}/${file}`);
      if (value !== undefined && readOptional(`${directory}/${file}`) === "\n")
        writeLimit(directory, { file, text: value.trim() });
    }
  }
  if (known === undefined) return;
  const to = h.top + path;
  const move = () => moveAll(() => processesBelow(known), to);
  const above = () => moveAll(() => processesBelow(to), h.top + parentOf(path));
  undo.add(above);
  const freezer = findFreezer(layout, path);
  if (freezer && processesBelow(known).length) await whileFrozen(freezer, FREEZE_MS, move);
  else move();
}

/**
 * Changes limits. Several hold together or not at all: what was written is taken back when a later one is refused.
 * `made` are the directories that a group got on this occasion; `more` is what no controller has a word for.
 */
export async function updateLimits(
  layout: Layout,
  path: string,
  limits: CheckedLimits,
  more: readonly { readonly directory: string; readonly write: Write }[] = [],
): Promise<{ made: string[] }> {
  const wanted = controllersFor(layout, limits);
  const undo = new Undo();
  const made: string[] = [];
  try {
    for (const h of hierarchies(layout)) {
      const names = wanted.filter((w) => w.hierarchy.point === h.point).map((w) => w.controller);
      if (names.length === 0) continue;
      if (!isDirectory(h.top + path)) {
        await extend(layout, path, h, undo);
        made.push(h.top + path);
      }
      const v2 = names.flatMap((c) => (c.v2 === undefined || c.v2 === "core" ? [] : [c.v2]));
      if (h.version === "v2") enable(enabling(h.top, path, v2));
    }
    for (const { controller, limits: l, hierarchy } of wanted) {
      const files = filesOf(layout, path, controller);
      if (!files) throw new TypeError(`no ${controller.name} group at ${path}`);
      for (const w of controller.writes(l, files, false)) writeLimit(hierarchy.top + path, w, undo);
    }
    for (const { directory, write } of more) writeLimit(directory, write, undo);
    // Last, since nothing can bring an old filter back.
    if (limits.devices && wanted.some((w) => w.controller.name === "devices" && w.hierarchy.version === "v2"))
      await filterDevices(`${homeOf(layout)?.top}${path}`, limits.devices);
  } catch (e) {
    undo.run();
    throw e;
  }
  return { made };
}

/** The limits in force, by controller; those with no group of their own have none. */
export function readLimits(layout: Layout, path: string, names: readonly string[]): CheckedLimits {
  return Object.fromEntries(
    names.flatMap((name) => {
      const files = filesOf(layout, path, controllerOf(name));
      const limits = files && controllerOf(name).limits(files);
      return limits && Object.keys(limits).length ? [[name, limits]] : [];
    }),
  );
}
