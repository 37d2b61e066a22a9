import { frozenBy } from "../cgroups/freezer.ts";
import { layoutFor } from "../cgroups/look.ts";
import { nameOf } from "../cgroups/names.ts";
import type { CgroupPlan } from "../compile/job.ts";
import { NameError } from "../values/errors.ts";
import { groupPathOf } from "./group-path.ts";
import type { Known } from "./state.ts";

function frozen(name: string, cgroup: CgroupPlan): { path: string; by: string | undefined } {
  const path = groupPathOf(name, cgroup);
  return { path, by: frozenBy(layoutFor(path), path) };
}

/** Stopped by the freezer of its control group, or of one that this is in. */
export const isPaused = ({ status, noted: { name, cgroup } }: Known): boolean =>
  status === "running" && frozen(name, cgroup).by !== undefined;

/** What is started in a frozen group does not begin, and whoever waits for that cannot be told of a signal. */
export function refusePaused(name: string, cgroup: CgroupPlan): void {
  const { path, by } = frozen(name, cgroup);
  if (by === undefined) return;
  const [what, command] =
    by === path ? ["paused", `unpause ${name}`] : ["in a frozen control group", `group thaw ${nameOf(by)}`];
  throw new NameError(name, `the container ${name} is ${what}: "caisson ${command}" lets it go on`);
}
