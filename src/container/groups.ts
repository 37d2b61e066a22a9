import { isDirectory, readOptional } from "../cgroups/files.ts";
import { type Hierarchy, hierarchies, hierarchyOf, type Layout } from "../cgroups/layout.ts";
import { layoutFor } from "../cgroups/look.ts";
import { lineage, parentOf } from "../cgroups/names.ts";
import { planGroups } from "../cgroups/plan.ts";
import { type CheckedLimits, controllerOf } from "../cgroups/table.ts";
import { hasNew } from "../compile/context.ts";
import type { CgroupPlan } from "../compile/job.ts";
import type { Mount, Namespace } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { isRootless } from "./describe.ts";
import { groupMounts } from "./group-mounts.ts";
import { pathIn } from "./group-path.ts";
import { applicable, containerLimits } from "./limits.ts";
import type { ContainerOptions } from "./options.ts";

export type ContainerGroups = {
  readonly limits: CheckedLimits;
  readonly notApplied: readonly string[];
  readonly plan: CgroupPlan;
  readonly mounts: readonly Mount[];
};

const modes = ["auto", "account", "delegate"] as const;
const counted = ["cpu", "memory", "pids", "io"];
/**
 * Where a delegated container's first process is: on v2 a group with processes has no controllers for its children. systemd
 * calls its own so, and takes the group above for the one that it manages.
 */
const LEAF = "init.scope";
/** What a delegated container is given is in its group, whose limits are out of its sight. */
const INNER = "inner";

/**
 * An out-of-memory kill is counted where the process was: in the leaf, or in the group that it is in, as long as the
 * container gives its children no memory controller.
 */
const within = (leaf: boolean) => (r: { key: string; file: string }) =>
  r.key !== "memory.events"
    ? [r]
    : [
        { ...r, file: `${INNER}/${r.file}` },
        ...(leaf ? [{ key: `${r.key}.${LEAF}`, file: `${INNER}/${LEAF}/${r.file}` }] : []),
      ];

const available = (layout: Layout, names: readonly string[]) =>
  names.filter((n) => hierarchyOf(layout, controllerOf(n)) !== undefined);

/** Whether a group within this one can tell of kills for memory, also where the limit is above. On v2 a group with processes gives its own no controllers. */
function tellsOfKills(layout: Layout, h: Hierarchy, parent: string): boolean {
  if (hierarchyOf(layout, controllerOf("memory"))?.point !== h.point) return false;
  const read = (file: string) => readOptional(`${h.top}${parent}/${file}`);
  return h.version === "v1" || (read("memory.max") !== undefined && read("cgroup.procs") === "");
}

type Group = CgroupPlan["groups"][number];

/** More than containers in containers need: whoever looks at groups, or removes them, does so at each depth. v1 knows no such limit. */
const DEPTH = { file: "cgroup.max.depth", text: "100" };
const shallow = (g: Group): Group => (g.unified ? { ...g, writes: [...g.writes, DEPTH] } : g);

/** The groups in which a container makes groups of its own: all that is limited is on those above. */
const delegated = (planned: readonly Group[], others: readonly Group[]): Group[] => [
  ...planned.map(shallow).map((g) => {
    const reads = g.reads.flatMap(within(g.unified));
    return { ...g, reads, inner: INNER, ...(g.unified && { leaf: LEAF }) };
  }),
  ...others.map(shallow).map((g) => ({ ...g, unified: false, inner: INNER })),
];

function modeOf(o: ContainerOptions, hasView: boolean): (typeof modes)[number] {
  const mode = o.cgroups ?? "auto";
  if (!modes.includes(mode)) throw new InvalidOptionError("cgroups", mode, '"auto", "account" or "delegate"');
  if (mode === "delegate" && !hasView)
    throw new InvalidOptionError(
      "namespaces.cgroup",
      JSON.stringify(o.namespaces?.cgroup),
      'of use with cgroups: "delegate", which needs a cgroup namespace of its own',
    );
  return mode;
}

/** The control groups of a container: which, with what limits, and what it sees of them. */
export function containerGroups(
  o: ContainerOptions,
  facts: HostFacts,
  name: string,
  namespaces: readonly Namespace[],
): ContainerGroups {
  const hasView = hasNew(namespaces, "cgroup");
  const mode = modeOf(o, hasView);
  const path = pathIn(o.cgroupParent, name);
  const layout = layoutFor(path);
  const rootless = !isRootless(o, facts) ? "no" : facts.uid === 0 ? "pretended" : "yes";
  const { limits, notApplied } = applicable(layout, containerLimits(o), rootless);
  const mayMake = rootless === "no" || (rootless === "yes" && (layout.v2?.controllers.length ?? 0) > 0);
  const isChosen = o.cgroupParent !== undefined;
  if (!mayMake && (isChosen || mode !== "auto")) {
    const why = `${isChosen ? "cgroupParent: this" : `cgroups: ${mode}`} needs a group that is delegated to this user`;
    return { limits, notApplied: [...notApplied, why], plan: { groups: [] }, mounts: [] };
  }
  const all = hierarchies(layout);
  const parent = parentOf(path);
  const holding = isChosen ? all.filter((h) => isDirectory(h.top + parent)) : [];
  const account = [
    ...(mode === "auto" ? [] : available(layout, mode === "delegate" ? [...counted, "cpuset"] : counted)),
    // One of v1 takes no process until it has been told of processors.
    ...(holding.some((h) => h.point === layout.v1["cpuset"]) ? ["cpuset"] : []),
    ...(holding.some((h) => tellsOfKills(layout, h, parent)) ? ["memory"] : []),
  ];
  // Without a PID namespace of its own, nothing else holds its processes together.
  const home = mayMake && (mode !== "auto" || isChosen || !hasNew(namespaces, "pid"));
  const planned = planGroups(layout, path, limits, { read: readOptional, home, account }).groups;
  const isOf = (groups: readonly Group[], h: Hierarchy) => groups.some((g) => g.path === h.top + path);
  const others = (mode === "delegate" ? all : holding).filter((h) => !isOf(planned, h));
  const bare = others.map((h) => ({
    ...{ path: h.top + path, parents: lineage(parent).map((p) => h.top + p), unified: h.version === "v2" },
    ...{ prepare: [], writes: [], reads: [] },
  }));
  const chosen = isChosen && { path };
  if (mode === "delegate")
    return {
      ...{ limits, notApplied },
      plan: { groups: delegated(planned, bare), delegated: true, ...chosen },
      mounts: groupMounts(layout, all, "rw"),
    };
  const groups = [...planned, ...bare];
  // Runtimes size their heaps and threads by the limits that they find there.
  const shown = all.filter((h) => isOf(groups, h));
  const mounts = hasView && shown.length > 0 ? groupMounts(layout, shown, "ro") : [];
  return { limits, notApplied, plan: { groups, ...chosen }, mounts };
}
