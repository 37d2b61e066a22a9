import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { freeze, freezerOf, thaw } from "../cgroups/freezer.ts";
import type { Layout } from "../cgroups/layout.ts";
import { limitsOfResources } from "../cgroups/oci.ts";
import { updateLimits } from "../cgroups/update.ts";
import { RUNTIME_FILES } from "../compile/runtime/lifecycle.ts";
import type { Resources } from "../compile/spec.ts";
import { hostFacts } from "../host/facts.ts";
import { parseSize } from "../values/units.ts";
import { parseJson, parseResources, readStandardInput, readText } from "./config.ts";
import type { Global } from "./context.ts";
import { engineLayout, extras, withDefaultDevices } from "./groups.ts";
import { warn } from "./log.ts";
import { RuntimeError } from "./places.ts";
import { schemataOf, schemataWrite } from "./resctrl.ts";
import { type Container, load, running, wrongStatus } from "./state.ts";
import { unitProperties } from "./unit-properties.ts";

const FREEZE_MS = 10_000;

/** What a user without rights over control groups makes has none. */
function needGroups(c: Container): void {
  if (c.saved.cgroup.directories.length === 0)
    throw wrongStatus(c, "it was made without control groups, so it can neither be paused nor limited");
}

export async function pause(g: Global, id: string | undefined): Promise<number> {
  const c = load(g.root, id);
  running(c, "running", "created");
  needGroups(c);
  await freeze(freezerOf(engineLayout(hostFacts()), c.saved.cgroup.path), FREEZE_MS);
  return 0;
}

export function resume(g: Global, id: string | undefined): number {
  const c = load(g.root, id);
  running(c, "paused");
  thaw(freezerOf(engineLayout(hostFacts()), c.saved.cgroup.path));
  return 0;
}

/** The options of `update`, each with its place in the resources. */
const flags: Readonly<Record<string, readonly [keyof Resources, string, "number" | "size" | "text"]>> = {
  "blkio-weight": ["blockIO", "weight", "number"],
  "cpu-period": ["cpu", "period", "number"],
  "cpu-quota": ["cpu", "quota", "number"],
  "cpu-burst": ["cpu", "burst", "number"],
  "cpu-share": ["cpu", "shares", "number"],
  "cpu-idle": ["cpu", "idle", "number"],
  "cpu-rt-period": ["cpu", "realtimePeriod", "number"],
  "cpu-rt-runtime": ["cpu", "realtimeRuntime", "number"],
  "cpuset-cpus": ["cpu", "cpus", "text"],
  "cpuset-mems": ["cpu", "mems", "text"],
  memory: ["memory", "limit", "size"],
  "memory-reservation": ["memory", "reservation", "size"],
  "memory-swap": ["memory", "swap", "size"],
  "pids-limit": ["pids", "limit", "number"],
};
/** What of resctrl is changed: config-linux.md "IntelRdt". */
function sharesOf(c: Container, values: Readonly<Record<string, unknown>>): Change[] {
  const given = (name: string) => String(values[name] ?? "");
  const lines = schemataOf({ l3CacheSchema: given("l3-cache-schema"), memBwSchema: given("mem-bw-schema") });
  if (lines.length === 0) return [];
  const [directory] = c.saved.cgroup.resctrl?.join ?? [];
  if (directory === undefined)
    throw wrongStatus(
      c,
      "it was made without linux.intelRdt, so its shares of the cache and of bandwidth cannot be changed",
    );
  return [{ directory, write: schemataWrite(lines) }];
}
type Change = NonNullable<Parameters<typeof updateLimits>[3]>[number];

/** Taken for the sake of those who still give them, as runc does. */
const formerFlags = ["kernel-memory", "kernel-memory-tcp"];

/** Below zero is no limit. */
function numberOf(field: string, text: string, kind: "number" | "size"): number {
  if (/^-?\d+$/.test(text)) return Number(text);
  if (kind === "size") return parseSize(field, text);
  throw new RuntimeError(`${field}: ${JSON.stringify(text)} is not a whole number`);
}

function fromFlags(values: Readonly<Record<string, unknown>>): Resources {
  const out: Record<string, Record<string, number | string>> = {};
  for (const [name, [group, field, kind]] of Object.entries(flags)) {
    const given = values[name];
    if (typeof given !== "string") continue;
    out[group] = { ...out[group], [field]: kind === "text" ? given : numberOf(`--${name}`, given, kind) };
  }
  return parseResources(out);
}

type Memory = NonNullable<Resources["memory"]>;

/**
 * Where memory alone is given, swap stays as it was: on v1 the sum of both, as long as that is not less than memory, and
 * on v2, which has no sum, swap itself.
 */
function keptSwap(before: Memory, { limit, swap }: Memory, isSum: boolean): Pick<Memory, "swap"> {
  if (limit === undefined || swap !== undefined) return {};
  if (limit < 0) return { swap: -1 };
  const { swap: sum, limit: old } = before;
  if (sum === undefined || sum <= 0 || old === undefined || (isSum && sum >= limit)) return {};
  return { swap: sum - old + limit };
}

/** What is given is changed, what is not stays; a quota is of the period that it was given for. */
function merged(before: Resources, given: Resources, isSum: boolean): Resources {
  return {
    ...before,
    ...given,
    ...(given.memory && {
      memory: { ...before.memory, ...given.memory, ...keptSwap(before.memory ?? {}, given.memory, isSum) },
    }),
    ...(given.cpu && { cpu: { ...before.cpu, ...given.cpu } }),
    ...(given.blockIO && { blockIO: { ...before.blockIO, ...given.blockIO } }),
  };
}

function unifiedDirectory({ v2 }: Layout, c: Container): string {
  if (!v2) throw new RuntimeError("linux.resources.unified: no v2 hierarchy is mounted on this machine");
  return v2.point + c.saved.cgroup.path;
}

export async function update(
  g: Global,
  id: string | undefined,
  values: Readonly<Record<string, unknown>>,
): Promise<number> {
  const from = values["resources"];
  const given =
    typeof from === "string"
      ? parseResources(parseJson(from === "-" ? readStandardInput() : readText(from, true), from))
      : fromFlags(values);
  for (const name of formerFlags)
    if (values[name] !== undefined) warn(g.log, `--${name} is ignored: the kernel has no such limit any more`);
  const c = load(g.root, id);
  await updateResources(c, given, sharesOf(c, values));
  return 0;
}

export async function updateResources(c: Container, given: Resources, more: readonly Change[] = []): Promise<void> {
  running(c, "created", "running", "paused");
  needGroups(c);
  const before = c.saved.spec.linux?.resources ?? {};
  const layout = engineLayout(hostFacts());
  const after = merged(before, given, layout.v1["memory"] !== undefined);
  const { unified, ...rest } = Object.fromEntries(
    Object.keys(given).map((k) => [k, after[k as keyof Resources]]),
  ) as Resources;
  // Engines give the rules that they know; what every container may have, it keeps.
  const devices = given.devices?.length ? withDefaultDevices({ devices: given.devices }).devices : undefined;
  const { path, unit } = c.saved.cgroup;
  const limits = {
    ...limitsOfResources({ ...rest, devices: [] }, { exact: true }),
    ...(devices?.length && limitsOfResources({ devices })),
  };
  await updateLimits(layout, path, limits, [
    ...extras(rest).flatMap(([controller, file, value]) => {
      const top = layout.v1[controller];
      return top === undefined ? [] : [{ directory: top + path, write: { file, text: String(value) } }];
    }),
    ...Object.entries(unified ?? {}).map(([file, text]) => ({
      directory: unifiedDirectory(layout, c),
      write: { file, text },
    })),
    ...more,
  ]);
  const saved = { ...c.saved, spec: { ...c.saved.spec, linux: { ...c.saved.spec.linux, resources: after } } };
  const at = join(c.directory, RUNTIME_FILES.state);
  writeFileSync(`${at}.new`, JSON.stringify(saved), { mode: 0o600 });
  renameSync(`${at}.new`, at);
  if (!unit) return;
  const changed = unitProperties(layout, { ...rest, devices: devices ?? [], ...(unified && { unified }) });
  await (await import("./systemd.ts")).changeUnit(unit, changed);
}
