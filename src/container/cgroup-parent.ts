import { frozenBy } from "../cgroups/freezer.ts";
import { ControlGroup } from "../cgroups/group.ts";
import { layoutFor } from "../cgroups/look.ts";
import { nameOf } from "../cgroups/names.ts";
import { narrowest } from "../cgroups/rlimits.ts";
import { NameError } from "../values/errors.ts";
import type { Ulimit } from "../values/ulimits.ts";

/** What is noted of a group before a container is made in it. */
export const noteContainerIn = async (name: string): Promise<void> => (await ControlGroup.open(name)).noteExtended();

/**
 * The limits of each process of a container in a group: the group's, where its own are not lower. Throws NameError if there is no such group, or
 * if it is frozen: nothing would begin in it.
 */
export async function rlimitsIn(name: string, own: readonly Ulimit[]): Promise<readonly Ulimit[]> {
  const group = await ControlGroup.open(name);
  const frozen = frozenBy(layoutFor(group.path), group.path);
  if (frozen !== undefined)
    throw new NameError(group.name, `the control group ${nameOf(frozen)} is frozen: nothing begins in it`);
  return narrowest([group.birthplace().rlimits, own]);
}
