import { setTimeout as sleep } from "node:timers/promises";
import { CaissonError, UnsupportedError } from "../values/errors.ts";
import { readKeyed } from "./controller.ts";
import { isDirectory, readOptional, writeFile } from "./files.ts";
import type { Layout } from "./layout.ts";
import { describedAll, processesBelow } from "./members.ts";
import { lineage } from "./names.ts";

export type FreezerState = "thawed" | "freezing" | "frozen";

/** Where a group is frozen: cgroup.freeze of v2 wherever that is mounted, the v1 controller else. */
export type Freezer = { readonly directory: string; readonly version: "v1" | "v2" };

/** undefined: it has none, or is no more. */
export function findFreezer({ v1, v2 }: Layout, path: string): Freezer | undefined {
  const unified = v2 && `${v2.point}${v2.base}${path}`;
  if (unified !== undefined && readOptional(`${unified}/cgroup.freeze`) !== undefined)
    return { directory: unified, version: "v2" };
  const { freezer } = v1;
  return freezer !== undefined && isDirectory(freezer + path)
    ? { directory: freezer + path, version: "v1" }
    : undefined;
}

/** Throws UnsupportedError where it has none. */
export function freezerOf(layout: Layout, path: string): Freezer {
  const found = findFreezer(layout, path);
  if (found) return found;
  throw new UnsupportedError(
    "freeze",
    `the group ${path} has no freezer: cgroup.freeze of v2 needs Linux 5.2, and the v1 freezer hierarchy has no such group`,
  );
}

/** The file to write, and what. */
export const freezerWrite = (f: Freezer, freeze: boolean): { path: string; text: string } =>
  f.version === "v2"
    ? { path: `${f.directory}/cgroup.freeze`, text: freeze ? "1" : "0" }
    : { path: `${f.directory}/freezer.state`, text: freeze ? "FROZEN" : "THAWED" };

/** Whether the group itself was told to freeze: an ancestor's freeze is the ancestor's to end. */
export const isAsked = (f: Freezer): boolean =>
  f.version === "v2"
    ? readOptional(`${f.directory}/cgroup.freeze`)?.trim() === "1"
    : readOptional(`${f.directory}/freezer.self_freezing`)?.trim() === "1";

/** The freezers of a group and of those that it is in, as far as they have one: what freezes one of them freezes it. */
export const freezersAbove = (layout: Layout, path: string): { path: string; freezer: Freezer }[] =>
  lineage(path).flatMap((at) => {
    const freezer = findFreezer(layout, at);
    return freezer ? [{ path: at, freezer }] : [];
  });

/** The topmost of them that was told to freeze. */
export const frozenBy = (layout: Layout, path: string): string | undefined =>
  freezersAbove(layout, path).find(({ freezer }) => isAsked(freezer))?.path;

/** On v1 reading the state is what makes the kernel look again (cgroup-v1 "freezer-subsystem"). */
export function freezerState(f: Freezer): FreezerState {
  if (f.version === "v1") {
    const state = readOptional(`${f.directory}/freezer.state`)?.trim();
    return state === "FROZEN" ? "frozen" : state === "FREEZING" ? "freezing" : "thawed";
  }
  if (readKeyed(readOptional(`${f.directory}/cgroup.events`))["frozen"] === 1) return "frozen";
  return isAsked(f) ? "freezing" : "thawed";
}

const LONGEST_PAUSE = 20;

/** Waits, a millisecond first and then longer, until `done`; `false` once the time is over. */
export async function until(done: () => boolean, ms: number): Promise<boolean> {
  const end = performance.now() + ms;
  for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
    if (done()) return true;
    const left = end - performance.now();
    if (left <= 0) return false;
    await sleep(Math.min(pause, Math.ceil(left)));
  }
}

/**
 * Resolves when every task of the subtree is stopped. The kernel freezes what forks meanwhile as it is born, so that
 * none gets away. One that cannot be stopped (uninterruptible sleep) makes it give up and thaw.
 */
export async function freeze(f: Freezer, ms: number): Promise<void> {
  const was = isAsked(f);
  const { path, text } = freezerWrite(f, true);
  writeFile(path, text);
  // On v2 an empty group is frozen at once, too; its events say so. One that is gone is frozen by nobody.
  if (await until(() => freezerState(f) !== "freezing", ms)) {
    if (freezerState(f) === "frozen") return;
    throw new CaissonError(`freeze ${f.directory}: it was thawed or removed by another meanwhile`);
  }
  const running = describedAll(processesBelow(f.directory));
  if (!was) thaw(f);
  throw new CaissonError(
    `freeze ${f.directory}: not all of it could be stopped within ${ms} ms, so it was thawed again; in it are ${running}`,
  );
}

export function thaw(f: Freezer): void {
  const { path, text } = freezerWrite(f, false);
  writeFile(path, text);
}
