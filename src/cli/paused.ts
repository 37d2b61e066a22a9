import { type Freezer, freezerOf, isAsked } from "../cgroups/freezer.ts";
import { layout } from "../cgroups/look.ts";
import { groupPath } from "../cgroups/names.ts";
import type { Known } from "../container/state.ts";
import { UnsupportedError } from "../values/errors.ts";

/** By what a container is paused, if it has a control group that can be frozen. */
export function pausedBy(name: string): Freezer | undefined {
  try {
    return freezerOf(layout(), groupPath(name));
  } catch (e) {
    if (e instanceof UnsupportedError) return undefined;
    throw e;
  }
}

/** Stopped by the freezer of its control group. */
export function isPaused(c: Known): boolean {
  const freezer = c.status === "running" ? pausedBy(c.noted.name) : undefined;
  return freezer !== undefined && isAsked(freezer);
}
