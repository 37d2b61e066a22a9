import { existsSync } from "node:fs";
import type { CgroupPlan } from "../compile/job.ts";
import { errnoName } from "../kernel/errno.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import { performSteps } from "../program/steps.ts";
import { NameError } from "../values/errors.ts";
import type { Write } from "./controller.ts";
import type { DevicesLimits } from "./controllers/devices.ts";
import { replaceDeviceFilter } from "./device-filter.ts";
import { ControlGroupError, isDirectory, makeDirectory, readOptional, removeDirectory, writeFile } from "./files.ts";

type Group = CgroupPlan["groups"][number];

/** What has been done so far, to be undone in reverse. */
export class Undo {
  readonly #steps: (() => void)[] = [];

  add(step: () => void): void {
    this.#steps.push(step);
  }

  /** All of it, even if some of it fails: the first failure is thrown at the end. */
  run(): void {
    let first: unknown;
    for (const step of this.#steps.reverse())
      try {
        step();
      } catch (e) {
        first ??= e;
      }
    this.#steps.length = 0;
    if (first) throw first;
  }
}

/** Puts a value in place and notes how to have the old one back. */
export function writeLimit(directory: string, w: Write, undo?: Undo): void {
  const file = w.or !== undefined && !existsSync(`${directory}/${w.file}`) ? w.or : w.file;
  const old = undo && readOptional(`${directory}/${w.old ?? file}`);
  try {
    writeFile(`${directory}/${file}`, w.text);
  } catch (e) {
    if (e instanceof ControlGroupError && e.errno && w.ignore?.includes(e.errno)) return;
    throw e;
  }
  if (old === undefined || !undo) return;
  undo.add(() => {
    for (const back of w.undo?.(old) ?? [old.trim()])
      if (typeof back === "string") writeFile(`${directory}/${file}`, back);
      else writeFile(`${directory}/${back.file}`, back.text);
  });
}

/** Gives controllers to the children of the ancestors, where they do not have them yet. */
export function enable(prepare: Group["prepare"]): void {
  for (const { path, text } of prepare) {
    const has = new Set(readOptional(path)?.trim().split(/\s+/));
    const missing = text.split(" ").filter((word) => !has.has(word.slice(1)));
    if (missing.length) writeFile(path, missing.join(" "));
  }
}

/** Makes one group of a plan, and sets its limits. Whether the groups above got a directory more by it. */
export function makeGroup(g: Group, undo: Undo): boolean {
  const make = (path: string) => {
    const made = makeDirectory(path);
    if (made) undo.add(() => removeDirectory(path));
    return made;
  };
  const nearest = g.parents.at(-1);
  const extended = nearest !== undefined && !isDirectory(nearest);
  if (extended) for (const parent of g.parents) make(parent);
  enable(g.prepare);
  if (!make(g.path)) throw new NameError(g.path, `the control group ${g.path} is there already`);
  for (const w of g.writes) writeLimit(g.path, w);
  return extended;
}

/** The rules for devices on v2: a filter in place of the one that was there. */
export async function filterDevices(directory: string, limits: DevicesLimits): Promise<void> {
  const done = await performSteps((s) => {
    const group = s.get(`open ${directory}`, "openat", [AT_FDCWD, directory, O.DIRECTORY | O.CLOEXEC, 0]);
    replaceDeviceFilter(s, group, limits);
    s.call("close the group", "close", [group]);
  });
  if (!done.failure) return;
  const { section, step, errno } = done.failure;
  const label = done.program.sections[section]?.steps[step]?.label;
  const name = errnoName(errno);
  throw new ControlGroupError(`${label} of ${directory}: ${name}`, { path: directory, errno: name });
}
