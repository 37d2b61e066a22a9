import { groupPath } from "../cgroups/names.ts";
import type { CgroupPlan } from "../compile/job.ts";

/** Where a container's groups are, in each hierarchy that it has one in. */
export const groupPathOf = (name: string, { path }: Pick<CgroupPlan, "path">): string => path ?? groupPath(name);

/** The same of one that is still to be made. */
export const pathIn = (parent: string | undefined, name: string): string =>
  groupPath(parent === undefined ? name : `${parent}/${name}`);
