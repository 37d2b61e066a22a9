import { isDirectory } from "../cgroups/files.ts";
import { hierarchies } from "../cgroups/layout.ts";
import { layoutFor } from "../cgroups/look.ts";
import { groupPath } from "../cgroups/names.ts";
import type { CgroupPlan } from "../compile/job.ts";

/** Where a container's groups are, in each hierarchy that it has one in. */
export const groupPathOf = (name: string, { path }: Pick<CgroupPlan, "path">): string => path ?? groupPath(name);

/** The same of one that is still to be made. */
export const pathIn = (parent: string | undefined, name: string): string =>
  groupPath(parent === undefined ? name : `${parent}/${name}`);

/** Where another process of the container is born: the groups that there are now, which may be more than at its start. */
export function groupsToEnter(name: string, noted: CgroupPlan): CgroupPlan {
  const path = groupPathOf(name, noted);
  const groups = hierarchies(layoutFor(path))
    .filter((h) => isDirectory(h.top + path))
    .map((h) => {
      const unified = h.version === "v2";
      const { inner, leaf } = noted.groups.find((g) => g.path === h.top + path) ?? {};
      const at = [h.top + path, inner, leaf].filter((p) => p !== undefined).join("/");
      return { path: at, parents: [], prepare: [], writes: [], reads: [], unified, existing: true };
    });
  return { groups };
}
