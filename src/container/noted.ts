import { dirname } from "node:path";
import type { StatePlan } from "../compile/job.ts";
import type { Spec } from "../compile/spec.ts";
import { isUsualState } from "../remember/places.ts";
import { isDefaultProfile } from "../seccomp/profile.ts";
import type { Prepared } from "./prepare.ts";
import { type Noted, stateDirectory } from "./state.ts";

/** The default profile is noted by its name: its rules are many, and follow from the capabilities. */
function withoutDefaultProfile(spec: Spec): Pick<Noted, "spec" | "defaultSeccomp"> {
  const { seccomp, ...linux } = spec.linux ?? {};
  return seccomp && isDefaultProfile(seccomp)
    ? { spec: { ...spec, linux }, defaultSeccomp: true }
    : { spec, defaultSeccomp: false };
}

/** The state directory of a container that is about to be made, and what is noted in it. */
export async function notedState(
  p: Prepared,
  command: readonly string[],
  o: { remove: boolean; log?: string },
): Promise<StatePlan> {
  const { name, cgroup, root } = p.job;
  const keep = root.kind === "overlay" ? root.keep : undefined;
  const noted: Omit<Noted, "createdAt"> = {
    name,
    command,
    ...withoutDefaultProfile(p.spec),
    cgroup,
    ...(p.job.network && (await import("./noted-network.ts")).notedNetwork(p)),
    remove: o.remove,
    ...(o.log && { log: o.log }),
    ...(keep && { keep }),
  };
  return {
    directory: stateDirectory(name),
    json: JSON.stringify(noted, (_, v) => (typeof v === "bigint" ? Number(v) : v)),
    counted: p.facts.uid === 0 && isUsualState(),
    remove: o.remove,
    ...(o.log && { log: { path: o.log, directory: dirname(o.log) } }),
  };
}
