import { freezerOf, isAsked } from "../cgroups/freezer.ts";
import { layout } from "../cgroups/look.ts";
import { groupPath } from "../cgroups/names.ts";
import type { Known } from "../container/state.ts";
import { UnsupportedError } from "../values/errors.ts";

/** Stopped by the freezer of its control group. */
export function isPaused(c: Known): boolean {
  if (c.status !== "running") return false;
  try {
    return isAsked(freezerOf(layout(), groupPath(c.noted.name)));
  } catch (e) {
    if (e instanceof UnsupportedError) return false;
    throw e;
  }
}
