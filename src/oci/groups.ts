import { existsSync } from "node:fs";
import { isDirectory, makeDirectory, readOptional, writeFile } from "../cgroups/files.ts";
import { freezerState, isAsked } from "../cgroups/freezer.ts";
import { findLayout, fromTop, type Hierarchy, hierarchies, hierarchyOf, type Layout } from "../cgroups/layout.ts";
import { look } from "../cgroups/look.ts";
import { processesBelow } from "../cgroups/members.ts";
import { lineage, parentOf } from "../cgroups/names.ts";
import { limitsOfResources } from "../cgroups/oci.ts";
import { enabling, planGroups } from "../cgroups/plan.ts";
import { allControllers, type CheckedLimits } from "../cgroups/table.ts";
import type { CgroupPlan } from "../compile/job.ts";
import type { Resources, Spec } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";
import type { Unit } from "./cgroups-path.ts";
import { ConfigError } from "./config.ts";
import { RuntimeError } from "./places.ts";
import { type ResctrlGroups, resctrlGroups } from "./resctrl.ts";

/** Where a user that asks no systemd may make groups; root may anywhere. */
export const delegatedTo = (facts: HostFacts): string => (facts.uid === 0 ? "" : (plainLayout(facts).v2?.base ?? ""));

const plainLayout = (facts: HostFacts) => findLayout(facts, { ...look, scope: undefined });

/** An engine's paths begin at the top of each hierarchy, wherever we would put groups of our own. */
export function engineLayout(facts: HostFacts): Layout {
  const found = fromTop(plainLayout(facts));
  const named = facts.mounts.find((m) => m.type === "cgroup" && m.superOptions.includes(SYSTEMD));
  return named ? { ...found, v1: { ...found.v1, [SYSTEMD]: named.point } } : found;
}
/** It has no controllers; a service manager keeps account of processes by it. */
const SYSTEMD = "name=systemd";

/** Where this process is in a hierarchy. */
export function ownDirectory(layout: Layout, facts: HostFacts, h: Hierarchy): string {
  const name = h.version === "v2" ? "" : Object.keys(layout.v1).find((c) => layout.v1[c] === h.point);
  const own = facts.ownGroups[name ?? ""] ?? "/";
  return own === "/" ? h.point : h.point + own;
}

/** config-linux.md "Default Devices", pseudo-terminals, and the making of nodes, which opens nothing by itself. */
const always: NonNullable<Resources["devices"]> = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  ...[3, 5, 7, 8, 9].map((minor) => ({ allow: true, type: "c" as const, major: 1, minor, access: "rwm" })),
  ...[0, 2].map((minor) => ({ allow: true, type: "c" as const, major: 5, minor, access: "rwm" })),
  { allow: true, type: "c", major: 136, access: "rwm" },
];

/** A node of `linux.devices` by itself is no right to use it: that is for `linux.resources.devices` to say. */
export const withDefaultDevices = (given: Resources = {}): Resources => ({
  ...given,
  devices: [{ allow: false }, ...(given.devices ?? []), ...always],
});
/** Whoever is not root may load no program for them, and is kept from devices as any user is. */
function withoutDevices(spec: Spec): Resources {
  const { devices: _, ...rest } = spec.linux?.resources ?? {};
  return rest;
}
/** Settings that our own API has no word for: files of v1 alone. */
export function extras(r: Resources): [controller: string, file: string, value: number][] {
  const m = r.memory as { swappiness?: number } | undefined;
  const c = r.cpu as { realtimeRuntime?: number; realtimePeriod?: number } | undefined;
  const rows: [string, string, number | undefined][] = [
    ["memory", "memory.swappiness", m?.swappiness],
    ["cpu", "cpu.rt_period_us", c?.realtimePeriod],
    ["cpu", "cpu.rt_runtime_us", c?.realtimeRuntime],
  ];
  return rows.filter((row): row is [string, string, number] => row[2] !== undefined);
}

/** On v1 a CPU set begins empty, and an empty one takes no process: what leads to the group gets its parent's. */
function prepareCpuset(layout: Layout, path: string): void {
  const top = layout.v1["cpuset"];
  if (top === undefined) return;
  for (const p of lineage(parentOf(path))) {
    const directory = top + p;
    makeDirectory(directory);
    for (const file of ["cpuset.cpus", "cpuset.mems"])
      if (readOptional(`${directory}/${file}`)?.trim() === "")
        writeFile(`${directory}/${file}`, (readOptional(`${top}${parentOf(p)}/${file}`) ?? "").trim());
  }
}

/** Of a group that an earlier run left nothing but itself may be there. */
function checkReuse(directory: string): void {
  if (processesBelow(directory).length)
    throw new RuntimeError(
      `linux.cgroupsPath: the container's cgroup is not empty: there are processes in ${directory}`,
    );
}

/** In a frozen group, or below one, the container's first process would stop before its first step. */
function checkFrozen(directories: readonly string[]): void {
  const frozen = directories.find(
    (directory) => isAsked({ directory, version: "v2" }) || freezerState({ directory, version: "v1" }) !== "thawed",
  );
  if (frozen !== undefined)
    throw new RuntimeError(`linux.cgroupsPath: the container's cgroup unexpectedly frozen: ${frozen} (thaw it first)`);
}

export type RuntimeGroups = {
  readonly plan: CgroupPlan;
  readonly directories: readonly string[];
  readonly resctrl?: Pick<ResctrlGroups, "join" | "remove">;
};

/** The groups of resctrl, where the configuration asks for any. */
export function resctrlFor(spec: Spec, id: string, facts: HostFacts): ResctrlGroups | undefined {
  const { intelRdt } = spec.linux ?? {};
  if (!intelRdt) return undefined;
  const mount = facts.mounts.find((m) => m.type === "resctrl");
  if (!mount)
    throw new ConfigError(
      "linux.intelRdt: resctrl is not mounted on this machine (mount -t resctrl none /sys/fs/resctrl; the kernel needs CONFIG_X86_CPU_RESCTRL, and the processor the feature)",
    );
  return resctrlGroups(intelRdt, id, mount.point);
}

export function withResctrl(groups: RuntimeGroups, more: ResctrlGroups | undefined): RuntimeGroups {
  if (!more) return groups;
  const { plan, ...resctrl } = more;
  return { ...groups, plan: { ...groups.plan, groups: [...groups.plan.groups, ...plan] }, resctrl };
}

function unifiedWrites({ v2 }: Layout, unified: Resources["unified"]) {
  const entries = Object.entries(unified ?? {});
  if (entries.length && !v2)
    throw new ConfigError("linux.resources.unified: invalid configuration: no v2 hierarchy is mounted on this machine");
  for (const [file] of entries) {
    const controller = file.slice(0, file.indexOf("."));
    if (!["cgroup", ...(v2?.controllers ?? [])].includes(controller) && !file.endsWith(".pressure"))
      throw new ConfigError(
        `linux.resources.unified: invalid configuration: ${file}: the v2 hierarchy of this machine has no controller ${JSON.stringify(controller)}`,
      );
  }
  return entries.map(([file, text]) => ({ file, text }));
}

/** The hierarchy of a user's systemd, with what that has given to the unit. */
export function layoutOfUnit({ v2 }: Layout, path: string): Layout {
  if (!v2)
    throw new RuntimeError("--systemd-cgroup: no v2 hierarchy is mounted, of which a user's systemd could give a part");
  return { kind: "v2", v1: {}, v2: { ...v2, controllers: look.words(`${v2.point}${path}/cgroup.controllers`) } };
}

/**
 * A group in every hierarchy, as engines expect: they read its files by themselves. What an earlier run left there,
 * empty, is taken over.
 */
export function runtimeGroups(layout: Layout, path: string, spec: Spec, given?: Unit): RuntimeGroups {
  const resources = given?.manager === "user" ? withoutDevices(spec) : withDefaultDevices(spec.linux?.resources);
  const limits: CheckedLimits = limitsOfResources(resources, { exact: true });
  prepareCpuset(layout, path);
  const account = allControllers()
    .filter((c) => hierarchyOf(layout, c) !== undefined && c.name !== "devices")
    .map((c) => c.name);
  const { groups } = planGroups(layout, path, limits, { read: readOptional, home: true, account });
  const all = hierarchies(layout);
  const missing = all.filter((h) => !groups.some((g) => g.path === h.top + path));
  const unified = unifiedWrites(layout, resources.unified);
  const names = [...new Set(unified.map(({ file }) => file.split(".")[0] ?? ""))];
  const enabled = names.filter((n) => layout.v2?.controllers.includes(n));
  const extra = extras(resources);
  const plan = [
    ...groups.map((g) => {
      const h = all.find((x) => x.top + path === g.path);
      const own = extra.filter(([controller]) => h?.version === "v1" && layout.v1[controller] === h.point);
      const writes = own.map(([, file, value]) => ({ file, text: String(value) }));
      if (h?.version !== "v2") return { ...g, writes: [...g.writes, ...writes] };
      return {
        ...g,
        prepare: [...g.prepare, ...enabling(h.top, path, enabled)],
        writes: [...g.writes, ...unified],
      };
    }),
    ...missing.map((h) => ({
      path: h.top + path,
      parents: lineage(parentOf(path)).map((p) => h.top + p),
      ...{ prepare: [], writes: [], reads: [] },
      unified: h.version === "v2",
    })),
  ];
  // What leads to a user's unit is not the user's, and has given on what the unit has.
  const theirs = given?.manager === "user" ? { prepare: [] } : {};
  if (!given)
    for (const { path: directory, parents } of plan.filter((g) => existsSync(g.path))) {
      checkReuse(directory);
      checkFrozen([...parents, directory]);
    }
  return {
    plan: { groups: plan.map((g) => ({ ...g, ...theirs, reads: [], ...(isDirectory(g.path) && { existing: true }) })) },
    directories: plan.map((g) => g.path),
  };
}
