import { isNew } from "../compile/context.ts";
import type { Lifecycle } from "../compile/runtime/lifecycle.ts";
import { endProgram } from "../compile/runtime/plain.ts";
import type { Spec } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";
import type { GroupPlace } from "./cgroups-path.ts";
import type { RuntimeGroups } from "./groups.ts";
import { type Saved, stateOf } from "./state.ts";

/**
 * What the small commands need, for a container that they can do: with a PID namespace of its own, which ends with its
 * first process, a group that can be frozen on v2, no hooks after its creation, and nothing of systemd's.
 */
export function plainOf(
  mode: Lifecycle["mode"],
  facts: HostFacts,
  saved: Saved,
  groups: RuntimeGroups,
  directory: string,
): Pick<Lifecycle, "plain"> {
  const { spec, id } = saved;
  const [home] = groups.plan.groups;
  const own = isNew(spec, "pid");
  if (mode === "attached" || !own || !home?.unified || saved.cgroup.unit !== undefined) return {};
  if (spec.hooks?.poststart?.length || spec.hooks?.poststop?.length) return {};
  const { status: _, pid: __, ...rest } = stateOf({ directory, saved, init: undefined }, "created");
  const brief = `${JSON.stringify(rest, null, 2).slice(2)}\n`;
  return { plain: { home: home.path, brief, end: endProgram(facts.arch, { id, directory }, goneWith(groups)) } };
}

const goneWith = ({ directories, resctrl }: RuntimeGroups) => [...directories, ...(resctrl?.remove ?? [])];

/** For JSON.stringify: numbers of 64 bits as config.ts reads them. */
export const bigintText = (_: string, value: unknown) => (typeof value === "bigint" ? `exact:${value}` : value);

/** What is written down of a container at its creation. */
export const savedState = (
  id: string,
  bundle: string,
  spec: Spec,
  place: GroupPlace,
  groups: RuntimeGroups,
  created: string = new Date().toISOString(),
): Saved => ({
  id,
  ociVersion: spec.ociVersion,
  bundle,
  rootfs: spec.root?.path ?? "/",
  created,
  spec,
  cgroup: {
    ...{ path: place.path, directories: groups.directories },
    ...(place.unit && { unit: place.unit }),
    ...(groups.resctrl && { resctrl: groups.resctrl }),
  },
});
