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
import { groupPathOf, pathIn } from "./group-path.ts";
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
/** Where a delegated container's first process is: on v2 a group with processes has no controllers for its children. */
const LEAF = "init";
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

/** The same layout inside, of these hierarchies: the cgroup namespace shows the container's group as the top of each. */
function groupMounts(layout: Layout, shown: readonly Hierarchy[], access: "ro" | "rw"): Mount[] {
  const usual = ["nosuid", "nodev", "noexec", "relatime"];
  const options = access === "ro" ? ["ro", ...usual] : usual;
  if (layout.kind === "v2") return [{ destination: "/sys/fs/cgroup", type: "cgroup2", source: "cgroup2", options }];
  const top: Mount = {
    destination: "/sys/fs/cgroup",
    type: "tmpfs",
    source: "tmpfs",
    options: [...usual, "mode=755"],
  };
  const below = shown.map((h): Mount => {
    if (h.version === "v2")
      return { destination: "/sys/fs/cgroup/unified", type: "cgroup2", source: "cgroup2", options };
    const controllers = Object.keys(layout.v1).filter((c) => layout.v1[c] === h.point);
    const name = controllers.join(",");
    return {
      destination: `/sys/fs/cgroup/${name}`,
      type: "cgroup",
      source: "cgroup",
      options: [...options, ...controllers],
    };
  });
  const seal = { destination: "/sys/fs/cgroup", type: "tmpfs", source: "tmpfs", options: ["remount", "ro"] };
  return [top, ...below, ...(access === "ro" ? [seal] : [])];
}

/** The control groups of a container: which, with what limits, and what it sees of them. */
export function containerGroups(
  o: ContainerOptions,
  facts: HostFacts,
  name: string,
  namespaces: readonly Namespace[],
): ContainerGroups {
  const mode = o.cgroups ?? "auto";
  if (!modes.includes(mode)) throw new InvalidOptionError("cgroups", mode, '"auto", "account" or "delegate"');
  const sharesPid = namespaces.every((n) => n.type !== "pid" || n.path !== undefined);
  const isOwn = hasNew(namespaces, "cgroup");
  if (mode === "delegate" && !isOwn)
    throw new InvalidOptionError(
      "namespaces.cgroup",
      JSON.stringify(o.namespaces?.cgroup),
      'of use with cgroups: "delegate", which needs a cgroup namespace of its own',
    );
  const path = pathIn(o.cgroupParent, name);
  const layout = layoutFor(path);
  const rootless = !isRootless(o, facts) ? "no" : facts.uid === 0 ? "pretended" : "yes";
  const { limits, notApplied } = applicable(layout, containerLimits(o), rootless);
  const own = rootless === "no" || (rootless === "yes" && (layout.v2?.controllers.length ?? 0) > 0);
  const asked =
    o.cgroupParent === undefined ? (mode === "auto" ? undefined : `cgroups: ${mode}`) : "cgroupParent: this";
  if (asked !== undefined && !own)
    return {
      limits,
      notApplied: [...notApplied, `${asked} needs a group that is delegated to this user`],
      plan: { groups: [] },
      mounts: [],
    };
  const delegated = mode === "delegate";
  const all = hierarchies(layout);
  const holding = o.cgroupParent === undefined ? [] : all.filter((h) => isDirectory(h.top + parentOf(path)));
  const account = mode === "auto" ? [] : available(layout, delegated ? [...counted, "cpuset"] : counted);
  // One of v1 takes no process until it has been told of processors.
  if (holding.some((h) => h.point === layout.v1["cpuset"])) account.push("cpuset");
  if (holding.some((h) => tellsOfKills(layout, h, parentOf(path)))) account.push("memory");
  // Without a PID namespace of its own, nothing else holds its processes together.
  const home = own && (mode !== "auto" || sharesPid || holding.length > 0);
  const plan = planGroups(layout, path, limits, { read: readOptional, home, account });
  const has = (h: Hierarchy) => plan.groups.some((g) => g.path === h.top + path);
  const bare = (h: Hierarchy) => ({
    path: h.top + path,
    parents: lineage(parentOf(path)).map((p) => h.top + p),
    prepare: [],
    writes: [],
    reads: [],
    unified: h.version === "v2",
  });
  const chosen = o.cgroupParent !== undefined && { path };
  // Runtimes size their heaps and threads by the limits that they find there.
  if (!delegated) {
    const groups = [...plan.groups, ...holding.filter((h) => !has(h)).map(bare)];
    const shown = all.filter((h) => groups.some((g) => g.path === h.top + path));
    const mounts = isOwn && groups.length > 0 ? groupMounts(layout, shown, "ro") : [];
    return { limits, notApplied, plan: { groups, ...chosen }, mounts };
  }
  const everywhere = all.filter((h) => !has(h));
  const groups = [
    ...plan.groups.map((g) => {
      const reads = g.reads.flatMap(within(g.unified));
      return { ...g, reads, inner: INNER, ...(g.unified && { leaf: LEAF }) };
    }),
    ...everywhere.map((h) => ({ ...bare(h), unified: false, inner: INNER })),
  ];
  return { limits, notApplied, plan: { groups, delegated: true, ...chosen }, mounts: groupMounts(layout, all, "rw") };
}

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
