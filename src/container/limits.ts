import type { DevicesLimits } from "../cgroups/controllers/devices.ts";
import { hierarchyOf, type Layout, whyMissing } from "../cgroups/layout.ts";
import { type CheckedLimits, checkLimits, controllerOf } from "../cgroups/table.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseCount, parseCpus, parseSize } from "../values/units.ts";
import { type DeviceOptions, deviceRules } from "./devices.ts";
import type { ContainerOptions } from "./options.ts";

const MINIMUM_MEMORY = 2 ** 20;
const CPU_MINIMUM = 0.01;

/** memory, cpus and pidsLimit are short for what most want of `limits`. Memory so limited has no swap beside it. */
function short(o: ContainerOptions): CheckedLimits {
  const limits: { -readonly [K in keyof CheckedLimits]: CheckedLimits[K] } = {};
  if (o.memory !== undefined) {
    const max = parseSize("memory", o.memory);
    if (max < MINIMUM_MEMORY)
      throw new InvalidOptionError("memory", o.memory, "at least 1M, below which no program starts");
    limits.memory = { max, swap: 0 };
  }
  if (o.cpus !== undefined) {
    const max = parseCpus("cpus", o.cpus);
    if (max < CPU_MINIMUM)
      throw new InvalidOptionError("cpus", o.cpus, "at least 0.01, the least that the kernel schedules");
    limits.cpu = { max };
  }
  if (o.pidsLimit !== undefined) limits.pids = { max: parseCount("pidsLimit", o.pidsLimit, 1) };
  return limits;
}

const fields = { memory: ["memory", "max"], cpus: ["cpu", "max"], pidsLimit: ["pids", "max"] } as const;

/** Rules come after those for the devices that every container has: it would not start where their nodes may not be made. */
function devicesOf(given: DeviceOptions, more: DevicesLimits | undefined): DevicesLimits | undefined {
  if (more?.default === "allow" || (!more && Object.keys(given).length === 0)) return more;
  const usual = checkLimits({ devices: { default: "deny", allow: deviceRules(given) } }).devices?.rules ?? [];
  return { default: "deny", rules: [...usual, ...(more?.rules ?? [])] };
}

/** All limits of a container, checked. */
export function containerLimits(o: ContainerOptions): CheckedLimits {
  for (const [name, [controller, key]] of Object.entries(fields)) {
    const given = o.limits?.[controller] as Record<string, unknown> | undefined;
    if (o[name as keyof typeof fields] !== undefined && given?.[key] !== undefined)
      throw new InvalidOptionError(
        name,
        o[name as keyof typeof fields],
        `needed: limits.${controller}.${key} says it too`,
      );
  }
  const more = checkLimits(o.limits ?? {});
  const all: Record<string, object> = { ...short(o) };
  for (const [name, l] of Object.entries(more)) all[name] = { ...all[name], ...l };
  const devices = devicesOf(o.devices ?? [], more.devices);
  return devices ? { ...all, devices } : all;
}

/** What of them this user can have: the rest is named, with the reason, so that nobody relies on it. */
export function applicable(
  layout: Layout,
  limits: CheckedLimits,
  rootless: "no" | "pretended" | "yes",
): { limits: CheckedLimits; notApplied: string[] } {
  if (rootless === "no") return { limits, notApplied: [] };
  const kept: Record<string, object> = {};
  const notApplied: string[] = [];
  for (const [name, l] of Object.entries(limits)) {
    const c = controllerOf(name);
    if (rootless === "yes" && hierarchyOf(layout, c)?.version === "v2") kept[name] = l;
    else {
      const why = rootless === "yes" && layout.v2?.controllers.length ? whyMissing(layout, c) : NO_GROUP;
      notApplied.push(`${name === "cpu" ? "cpus" : name === "pids" ? "pidsLimit" : name}: ${why}`);
    }
  }
  return { limits: kept, notApplied };
}
const NO_GROUP =
  "an unprivileged user has no control group to set it in, unless one is delegated to it, as systemd does on v2 for whoever is logged in";
