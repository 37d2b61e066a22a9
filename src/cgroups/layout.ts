import type { HostFacts } from "../host/facts.ts";
import type { AnyController } from "./controller.ts";
import type { Scope } from "./scope.ts";

/** Where each controller is mounted, found at run time and never assumed. cgroups(7). */
export type Layout = {
  readonly kind: "v1" | "hybrid" | "v2" | "none";
  /** Mount points of v1 controllers. */
  readonly v1: Readonly<Record<string, string>>;
  readonly v2:
    | {
        readonly point: string;
        /** The directory below `point` under which this user may make groups: "" is the top. */
        readonly base: string;
        /** What systemd is to make of the base. */
        readonly scope?: Scope;
        readonly controllers: readonly string[];
      }
    | undefined;
};

/** A hierarchy in which a group may have a directory. The home one is where each group has one. */
export type Hierarchy = {
  readonly version: "v1" | "v2";
  /** The directory that groups are made in. */
  readonly top: string;
  readonly point: string;
  readonly home: boolean;
};

const known = new Set(
  "cpu cpuacct cpuset memory devices freezer blkio pids hugetlb net_cls net_prio perf_event rdma misc".split(" "),
);

/** What finding the layout looks at beside the facts. */
export type Look = {
  /** The words of a file. */
  words(path: string): readonly string[];
  /** The scope that systemd is to delegate to this user, where it runs. */
  readonly scope: Scope | undefined;
  /** May this user make groups in a directory and move processes there? */
  delegated(directory: string): boolean;
};

/** The topmost of the own group and its ancestors that was delegated to this user, going up as long as each was. */
function delegatedBase(point: string, own: string, look: Look): string | undefined {
  let base: string | undefined;
  for (let path = own === "/" ? "" : own; ; path = path.slice(0, path.lastIndexOf("/"))) {
    if (!look.delegated(`${point}${path}`)) return base;
    base = path;
    if (path === "") return base;
  }
}

function findV2(point: string, facts: HostFacts, look: Look): NonNullable<Layout["v2"]> {
  const { scope } = look;
  const own = facts.uid === 0 ? "" : delegatedBase(point, facts.ownGroups[""] ?? "/", look);
  // What is the manager's is not ours to make groups in, although the user may: it would take the controllers away again.
  const asks = scope && (own === undefined ? look.delegated(`${point}${scope.top}`) : own === scope.top);
  const from = asks ? scope.top : own;
  return {
    point,
    base: (asks ? scope.path : own) ?? "",
    ...(asks && { scope }),
    controllers: from === undefined ? [] : look.words(`${point}${from}/cgroup.controllers`),
  };
}

export function findLayout(facts: HostFacts, look: Look): Layout {
  const v1: Record<string, string> = {};
  let v2: Layout["v2"];
  for (const m of facts.mounts) {
    if (m.type === "cgroup") for (const o of m.superOptions) if (known.has(o)) v1[o] ??= m.point;
    if (m.type === "cgroup2" && !v2) v2 = findV2(m.point, facts, look);
  }
  const some = Object.keys(v1).length > 0;
  return { kind: some ? (v2 ? "hybrid" : "v1") : v2 ? "v2" : "none", v1, v2 };
}

/** The same with paths as /proc/PID/cgroup has them: what others made is not below our base. */
export function fromTop(layout: Layout): Layout {
  if (!layout.v2?.base) return layout;
  const { scope: _, ...v2 } = layout.v2;
  return { ...layout, v2: { ...v2, base: "" } };
}

/** All of them, the home one first: v2 where it is mounted, the v1 freezer else. */
export function hierarchies(layout: Layout): readonly Hierarchy[] {
  const known = found.get(layout) ?? listHierarchies(layout);
  found.set(layout, known);
  return known;
}
const found = new WeakMap<Layout, readonly Hierarchy[]>();

function listHierarchies(layout: Layout): Hierarchy[] {
  const found: Hierarchy[] = [];
  if (layout.v2)
    found.push({ version: "v2", point: layout.v2.point, top: layout.v2.point + layout.v2.base, home: true });
  const points = [...new Set([layout.v1["freezer"], ...Object.values(layout.v1)])].filter((p) => p !== undefined);
  for (const point of points) found.push({ version: "v1", point, top: point, home: found.length === 0 });
  return found;
}

export const homeOf = (layout: Layout): Hierarchy | undefined => hierarchies(layout)[0];

/** The hierarchy which has the controller. */
export function hierarchyOf(layout: Layout, c: AnyController): Hierarchy | undefined {
  const all = hierarchies(layout);
  const v1 = c.v1 === undefined ? undefined : layout.v1[c.v1];
  if (v1 !== undefined) return all.find((h) => h.version === "v1" && h.point === v1);
  const has = c.v2 === "core" || (c.v2 !== undefined && layout.v2?.controllers.includes(c.v2));
  return has ? all.find((h) => h.version === "v2") : undefined;
}

/** Why a controller is not to be had, and what would provide it. */
export function whyMissing(layout: Layout, c: AnyController): string {
  if (layout.kind === "none")
    return "no control group hierarchy is mounted; mount one: mount -t cgroup2 none /sys/fs/cgroup";
  if (c.v2 === undefined && layout.kind === "v2")
    return "it exists in control groups v1 only; mount its v1 hierarchy, or filter by the group's path instead";
  const lacks = layout.kind === "v2" ? "it is not in cgroup.controllers" : "no hierarchy that is mounted has it";
  const mount =
    layout.kind === "v2" || c.v1 === undefined
      ? ""
      : `; if the kernel has it: mount -t cgroup -o ${c.v1} none DIRECTORY`;
  return `${lacks} (layout: ${layout.kind}); the kernel lacks ${c.config}, or cgroup_disable= was given at boot, or it was not delegated${mount}`;
}
