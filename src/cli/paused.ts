import { frozenBy } from "../cgroups/freezer.ts";
import { layoutFor } from "../cgroups/look.ts";
import { nameOf } from "../cgroups/names.ts";
import { groupPathOf } from "../container/group-path.ts";
import type { Known, Running } from "../container/state.ts";
import { NameError } from "../values/errors.ts";

/** Stopped by the freezer of its control group, or of one that this is in. */
export function isPaused({ status, noted }: Known): boolean {
  const path = groupPathOf(noted.name, noted.cgroup);
  return status === "running" && frozenBy(layoutFor(path), path) !== undefined;
}

/** What is started in a frozen group does not begin, and whoever waits for that cannot be told of a signal. */
export function refusePaused({ noted: { name, cgroup } }: Running): void {
  const path = groupPathOf(name, cgroup);
  const frozen = frozenBy(layoutFor(path), path);
  if (frozen === path)
    throw new NameError(name, `the container ${name} is paused: "caisson unpause ${name}" lets it go on`);
  if (frozen !== undefined)
    throw new NameError(
      name,
      `the container ${name} is in a frozen control group: "caisson group thaw ${nameOf(frozen)}" lets it go on`,
    );
}
