import { InvalidOptionError } from "../values/errors.ts";
import { checkShape, tree } from "../values/shape.ts";
import type { AnyController } from "./controller.ts";
import { type CpuInput, type CpuLimits, type CpuUsage, cpu } from "./controllers/cpu.ts";
import { type CpusetInput, type CpusetLimits, type CpusetUsage, cpuset } from "./controllers/cpuset.ts";
import { type DevicesInput, type DevicesLimits, devices } from "./controllers/devices.ts";
import { type HugetlbInput, type HugetlbLimits, type HugetlbUsage, hugetlb } from "./controllers/hugetlb.ts";
import { type IoInput, type IoLimits, type IoUsage, io } from "./controllers/io.ts";
import { type MemoryInput, type MemoryLimits, type MemoryUsage, memory } from "./controllers/memory.ts";
import { type MiscInput, type MiscLimits, misc } from "./controllers/misc.ts";
import {
  type NetClsInput,
  type NetClsLimits,
  type NetPrioInput,
  type NetPrioLimits,
  netCls,
  netPrio,
} from "./controllers/network.ts";
import { perfEvent } from "./controllers/perf-event.ts";
import { type PidsInput, type PidsLimits, type PidsUsage, pids } from "./controllers/pids.ts";
import { type RdmaInput, type RdmaLimits, type RdmaUsage, rdma } from "./controllers/rdma.ts";

type Nothing = Record<string, never>;

/**
 * The types of each controller: what is given, what is in force, what is used. A third party adds its own by
 * declaration merging (`declare module "caisson"`) beside `registerController`.
 */
export interface ControllerTypes {
  cpu: { input: CpuInput; limits: CpuLimits; usage: CpuUsage };
  cpuset: { input: CpusetInput; limits: CpusetLimits; usage: CpusetUsage };
  memory: { input: MemoryInput; limits: MemoryLimits; usage: MemoryUsage };
  io: { input: IoInput; limits: IoLimits; usage: IoUsage };
  pids: { input: PidsInput; limits: PidsLimits; usage: PidsUsage };
  devices: { input: DevicesInput; limits: DevicesLimits; usage: Nothing };
  hugetlb: { input: HugetlbInput; limits: HugetlbLimits; usage: HugetlbUsage };
  rdma: { input: RdmaInput; limits: RdmaLimits; usage: RdmaUsage };
  misc: { input: MiscInput; limits: MiscLimits; usage: MiscLimits };
  netCls: { input: NetClsInput; limits: NetClsLimits; usage: Nothing };
  netPrio: { input: NetPrioInput; limits: NetPrioLimits; usage: Nothing };
  perfEvent: { input: Nothing; limits: Nothing; usage: Nothing };
}

export type ControllerName = keyof ControllerTypes;
/** Limits as people write them: by controller. */
export type Limits = { readonly [K in ControllerName]?: ControllerTypes[K]["input"] };
/** The same checked, in base units: bytes, seconds, shares of a CPU; Infinity is "max". */
export type CheckedLimits = { readonly [K in ControllerName]?: ControllerTypes[K]["limits"] };
export type Usage = { readonly [K in ControllerName]?: ControllerTypes[K]["usage"] };

const table = new Map<string, AnyController>();
for (const c of [cpu, cpuset, memory, io, pids, devices, hugetlb, rdma, misc, netCls, netPrio, perfEvent])
  table.set(c.name, c);

/** Adds a controller, or replaces one of the same name. */
export function registerController(controller: AnyController): void {
  if (!/^[a-z][A-Za-z0-9]*$/.test(controller.name))
    throw new InvalidOptionError("controller.name", controller.name, 'a name such as "memory"');
  table.set(controller.name, controller);
  checked.clear();
}

export const allControllers = (): readonly AnyController[] => [...table.values()];

export function controllerOf(name: string): AnyController {
  const found = table.get(name);
  if (!found) throw new InvalidOptionError("controller", name, `one of ${[...table.keys()].join(", ")}`);
  return found;
}

/** Numbers, texts and the like, and objects and lists of them. What each controller makes of them, it says itself. */
const limitsShape = tree("an object of limits such as { max: 512 }, with lists and objects in it at most");

function checkEach(limits: Limits, field: string): CheckedLimits {
  const out: Record<string, object> = {};
  for (const [name, input] of Object.entries(limits)) {
    if (input === undefined) continue;
    const controller = table.get(name);
    if (!controller)
      throw new InvalidOptionError(`${field}.${name}`, name, `a controller; known are ${[...table.keys()].join(", ")}`);
    if (typeof input !== "object" || input === null)
      throw new InvalidOptionError(`${field}.${name}`, input, 'an object of limits such as { max: "512M" }');
    checkShape(`${field}.${name}`, input, limitsShape);
    for (const [key, value] of Object.entries(input))
      if (controller.fields && !controller.fields.includes(key))
        throw new InvalidOptionError(
          `${field}.${name}.${key}`,
          value,
          `a limit; ${name} has ${controller.fields.join(", ")}`,
        );
    out[name] = controller.parse(input, `${field}.${name}`);
  }
  return out;
}

/** Who makes many groups makes most of them alike: what was checked is known by its text. */
const checked = new Map<string, CheckedLimits>();
const [MOST, LONGEST] = [64, 1000];

/** JSON has one word for Infinity and for NaN, and a path of a device stands for its number as long as it is there. */
const MAY_CHANGE = /null|"\//;

function textOf(limits: Limits): string | undefined {
  if (!limitsShape.holds(limits)) return undefined;
  const text = JSON.stringify(limits);
  return text.length > LONGEST || MAY_CHANGE.test(text) ? undefined : text;
}

/** Checks all limits before anything is touched. `field` is what they are called to the caller. What is returned is not to be changed. */
export function checkLimits(limits: Limits, field = "limits"): CheckedLimits {
  const text = textOf(limits);
  const known = text === undefined ? undefined : checked.get(text);
  if (known) return known;
  const found = checkEach(limits, field);
  if (text === undefined) return found;
  if (checked.size === MOST) checked.clear();
  checked.set(text, found);
  return found;
}
