import { layout } from "../cgroups/look.ts";
import type { CgroupPlan, Job, Report } from "../compile/job.ts";
import { ownWords } from "../host/own-words.ts";

export const commandReport = (
  file: string,
  keys: readonly string[],
  o: { detach: boolean; explain: boolean; data?: string; state?: string; given?: boolean },
): Report => ({
  to: "command",
  file,
  after: [...ownWords(), "__after", keys.join(","), ...[o.data ?? "", o.state ?? ""]],
  detach: o.detach,
  explain: o.explain,
  ...(o.given && { given: true }),
});

/** Before groups are made: where systemd runs, it is asked for a place for them. Loaded only there. */
export async function delegation(plan: CgroupPlan): Promise<void> {
  if (plan.groups.length === 0 || !layout().v2?.scope) return;
  const { ensureDelegation } = await import("../cgroups/systemd.ts");
  await ensureDelegation(layout(), process.pid);
}

/** The group that the supervisor of a detached command is born in. */
export async function detachedGroup(): Promise<Pick<Job, "supervisorGroup">> {
  if (!layout().v2?.scope) return {};
  const { homeOfDetached } = await import("../cgroups/systemd.ts");
  const supervisorGroup = await homeOfDetached(layout(), process.pid);
  return supervisorGroup === undefined ? {} : { supervisorGroup };
}
