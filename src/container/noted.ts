import type { StatePlan } from "../compile/job.ts";
import type { Spec } from "../compile/spec.ts";
import { isUsualState } from "../remember/places.ts";
import { isDefaultProfile } from "../seccomp/profile.ts";
import type { Prepared } from "./prepare.ts";
import { changesDirectory, dataDirectory, makePlaceOfData, type Noted, stateDirectory } from "./state.ts";

/** The default profile is noted by its name: its rules are many, and follow from the capabilities. */
function withoutDefaultProfile(spec: Spec): Pick<Noted, "spec" | "defaultSeccomp"> {
  const { seccomp, ...linux } = spec.linux ?? {};
  return seccomp && isDefaultProfile(seccomp)
    ? { spec: { ...spec, linux }, defaultSeccomp: true }
    : { spec, defaultSeccomp: false };
}

const isKept = ({ root }: Prepared["job"]) => root.kind === "overlay" && root.keep !== undefined;

/**
 * A container of the library's: one which may make groups of its own, or has an address, is noted, so that what it leaves is
 * found whatever happens to us; and one whose changes are kept, which are found by it.
 */
export async function withState(p: Prepared, command: readonly string[], always = false): Promise<Prepared> {
  const keeps = isKept(p.job);
  if (!always && !keeps && !p.job.cgroup.delegated && !p.network.request) return p;
  if (keeps) makePlaceOfData();
  return { ...p, job: { ...p.job, state: await notedState(p, command, { remove: !keeps }) } };
}

/** The state directory of a container that is about to be made, and what is noted in it. */
export async function notedState(
  p: Prepared,
  command: readonly string[],
  o: { remove: boolean; log?: string },
): Promise<StatePlan> {
  const { name, cgroup, root } = p.job;
  const keep = root.kind === "overlay" ? root.keep : undefined;
  const directory = dataDirectory(name);
  const own = keep === changesDirectory(name) ? keep : undefined;
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
    ...((o.log || keep) && { data: { directory, ...(o.log && { log: o.log }), ...(own && { changes: own }) } }),
  };
}
