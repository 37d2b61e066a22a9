import type { CgroupPlan } from "../compile/job.ts";
import { UnsupportedError } from "../values/errors.ts";
import type { AnyController, Files, Write } from "./controller.ts";
import type { DevicesLimits } from "./controllers/devices.ts";
import { type Hierarchy, hierarchyOf, homeOf, type Layout, whyMissing } from "./layout.ts";
import { lineage, parentOf } from "./names.ts";
import { type CheckedLimits, controllerOf } from "./table.ts";

type Group = CgroupPlan["groups"][number];

/** What a container's end is explained with: which files are read before its groups go. */
const reads: Readonly<Record<string, Readonly<Record<"v1" | "v2", Group["reads"]>>>> = {
  memory: {
    v1: [
      { key: "memory.peak", file: "memory.max_usage_in_bytes" },
      { key: "memory.events", file: "memory.oom_control" },
    ],
    v2: [
      { key: "memory.peak", file: "memory.peak" },
      // Of the group itself: below it other containers may have been killed, which are to say so themselves.
      { key: "memory.events", file: "memory.events.local" },
    ],
  },
};

/** The hierarchy of each controller that has limits; one that the layout lacks is refused by name. */
export function controllersFor(
  layout: Layout,
  limits: CheckedLimits,
): { controller: AnyController; hierarchy: Hierarchy; limits: object }[] {
  return Object.entries(limits).map(([name, l]) => {
    const controller = controllerOf(name);
    const hierarchy = hierarchyOf(layout, controller);
    if (!hierarchy) throw new UnsupportedError(`the ${name} controller`, whyMissing(layout, controller));
    return { controller, hierarchy, limits: l };
  });
}

/** Which ancestors must give which controllers to their children, from the top down. */
export function enabling(top: string, path: string, controllers: readonly string[]): { path: string; text: string }[] {
  if (controllers.length === 0) return [];
  const text = controllers.map((c) => `+${c}`).join(" ");
  return ["", ...lineage(parentOf(path))].map((p) => ({ path: `${top}${p}/cgroup.subtree_control`, text }));
}

const parentFiles = (h: Hierarchy, path: string, read: (path: string) => string | undefined): Files => ({
  version: h.version,
  read: (file) => read(`${h.top}${parentOf(path)}/${file}`),
  home: () => undefined,
  other: () => undefined,
});

const plain = ({ file, text, or, ignore }: Write): Group["writes"][number] => ({
  file,
  text,
  ...(or !== undefined && { or }),
  ...(ignore && { ignore }),
});

/** What a plan says wherever the group is. */
type Outline = Pick<Group, "writes" | "reads" | "unified" | "devices"> & {
  readonly hierarchy: Hierarchy;
  readonly names: readonly string[];
};
type How = { read: (path: string) => string | undefined; home?: boolean; account?: readonly string[] };

function outlineOf(layout: Layout, path: string, limits: CheckedLimits, o: How): Outline[] {
  const counted = (o.account ?? []).filter((n) => !(n in limits));
  const empty = Object.fromEntries(counted.map((n) => [n, controllerOf(n).parse({}, n)]));
  const wanted = controllersFor(layout, { ...limits, ...empty });
  const home = o.home ? homeOf(layout) : undefined;
  const used = [...new Set([...(home ? [home.point] : []), ...wanted.map((w) => w.hierarchy.point)])];
  return used.map((point): Outline => {
    const of = wanted.filter((w) => w.hierarchy.point === point);
    const h = of[0]?.hierarchy ?? (home as Hierarchy);
    const files = parentFiles(h, path, o.read);
    const devices = of.find((w) => w.controller.name === "devices" && h.version === "v2")?.limits;
    return {
      hierarchy: h,
      names: of.flatMap(({ controller: { v2 } }) => (v2 === undefined || v2 === "core" ? [] : [v2])),
      writes: of.flatMap((w) => w.controller.writes(w.limits, files, true)).map(plain),
      reads: of.flatMap((w) => reads[w.controller.name]?.[h.version] ?? []),
      unified: h.version === "v2",
      ...(devices && { devices: devices as DevicesLimits }),
    };
  });
}

/** By the limits as they were checked, which are the same for whoever asks for the same again (table.ts). */
const outlined = new WeakMap<CheckedLimits, { layout: Layout; home: boolean; outline: readonly Outline[] }>();

function outline(layout: Layout, path: string, limits: CheckedLimits, o: How): readonly Outline[] {
  const home = o.home === true;
  // What counts besides is not in the limits.
  const isTheirs = !o.account?.length;
  const known = isTheirs ? outlined.get(limits) : undefined;
  if (known?.layout === layout && known.home === home) return known.outline;
  let isOfThePath = false;
  const read = (file: string) => {
    isOfThePath = true;
    return o.read(file);
  };
  const found = outlineOf(layout, path, limits, { ...o, read });
  if (isTheirs && !isOfThePath) outlined.set(limits, { layout, home, outline: found });
  return found;
}

/**
 * The groups for these limits in the layout found. A controller with no limit gets no group: what is not used costs
 * nothing. `home` asks for the one in which a group can be frozen and counted; `account` for controllers that are to
 * count without a limit. `read` reads what a group takes from its parent (cpuset on v1).
 */
export function planGroups(layout: Layout, path: string, limits: CheckedLimits, o: How): CgroupPlan {
  const above = lineage(parentOf(path));
  const groups = outline(layout, path, limits, o).map(
    ({ hierarchy: h, names, ...rest }): Group => ({
      path: h.top + path,
      parents: above.map((p) => h.top + p),
      prepare: h.version === "v2" ? enabling(h.top, path, names) : [],
      ...rest,
    }),
  );
  return { groups };
}
