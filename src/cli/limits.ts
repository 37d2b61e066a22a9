import type { Limits } from "../cgroups/table.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseSize } from "../values/units.ts";
import { list, type OptionTable, type Values } from "./option-table.ts";

/** Docker's names where Docker has one; all else by --limit. */
export const limitOptions: OptionTable = {
  "memory-reservation": { type: "string", value: "SIZE", help: "memory that is reclaimed last (memory.low)" },
  "memory-swap": { type: "string", value: "SIZE", help: "memory and swap together, as Docker has it; -1 for no limit" },
  "cpu-weight": { type: "string", value: "N", help: "share of the CPU against others: 1 to 10000, 100 is usual" },
  "cpuset-cpus": { type: "string", value: "LIST", help: "CPUs to run on: 0-3,8" },
  "cpuset-mems": { type: "string", value: "LIST", help: "memory nodes to allocate from" },
  "io-weight": { type: "string", value: "N", help: "share of the disks against others: 1 to 10000" },
  "device-read-bps": {
    type: "string",
    multiple: true,
    value: "DEV:RATE",
    help: "read from a disk at most: /dev/sda:10M",
  },
  "device-write-bps": { type: "string", multiple: true, value: "DEV:RATE", help: "write to a disk at most" },
  "device-cgroup-rule": {
    type: "string",
    multiple: true,
    value: "RULE",
    help: 'allow a device: "c 10:229 rwm"; others are denied then (a container still has the usual ones)',
  },
  limit: {
    type: "string",
    multiple: true,
    value: "C.KEY=V",
    help: "any limit of any controller: memory.high=400M, io./dev/sda.readOps=100",
  },
};

/** Of no prototype: its keys are the caller's words. */
type Tree = { [key: string]: Tree | string | boolean | string[] };
const emptyTree = (): Tree => Object.create(null);

function put(tree: Tree, path: readonly string[], value: string | boolean | string[]): void {
  const [first = "", ...rest] = path;
  if (rest.length === 0) tree[first] = value;
  else {
    const next = tree[first];
    const below: Tree = typeof next === "object" && !Array.isArray(next) ? next : emptyTree();
    tree[first] = below;
    put(below, rest, value);
  }
}

const words = new Map([
  ["true", true],
  ["false", false],
]);

/** "memory.high=400M"; what is between the controller and the last word is one name: a device, a page size. */
function generic(tree: Tree, text: string): void {
  const [, controller, middle, key, value] = /^([A-Za-z]+)(?:\.(.+))?\.([A-Za-z0-9_]+)=(.*)$/s.exec(text) ?? [];
  if (controller === undefined || key === undefined || value === undefined)
    throw new InvalidOptionError("--limit", text, 'of the form "controller.key=value", such as memory.high=400M');
  const between = middle === undefined ? [] : controller === "io" ? ["devices", middle] : [middle];
  put(tree, [controller, ...between, key], words.get(value) ?? value);
}

/** The options above as the library's limits; --memory, --cpus and --pids-limit are left to who knows what they mean. */
export function limits(v: Values): Limits | undefined {
  const tree = emptyTree();
  for (const [name, path] of [
    ["memory-reservation", ["memory", "low"]],
    ["cpu-weight", ["cpu", "weight"]],
    ["cpuset-cpus", ["cpuset", "cpus"]],
    ["cpuset-mems", ["cpuset", "mems"]],
    ["io-weight", ["io", "weight"]],
  ] as const)
    if (typeof v[name] === "string") put(tree, path, v[name]);
  if (typeof v["memory-swap"] === "string") put(tree, ["memory", "swap"], swapAlone(v["memory-swap"], v["memory"]));
  for (const [name, key] of [
    ["device-read-bps", "read"],
    ["device-write-bps", "write"],
  ] as const)
    for (const text of list(v, name)) {
      const [, device, rate] = /^(.+):([^:]+)$/.exec(text) ?? [];
      if (device === undefined || rate === undefined)
        throw new InvalidOptionError(`--${name}`, text, 'of the form "device:rate", such as /dev/sda:10M');
      put(tree, ["io", "devices", device, key], rate);
    }
  const rules = list(v, "device-cgroup-rule");
  if (rules.length) put(tree, ["devices", "allow"], rules);
  for (const text of list(v, "limit")) generic(tree, text);
  return Object.keys(tree).length ? tree : undefined;
}

function swapAlone(sum: string, memory: Values[string]): string {
  if (sum === "-1" || sum === "max") return "max";
  const total = parseSize("--memory-swap", sum);
  const max = typeof memory === "string" ? parseSize("--memory", memory) : Number.NaN;
  if (!(total >= max)) throw new InvalidOptionError("--memory-swap", sum, "given with --memory, and at least as much");
  return String(total - max);
}

/** The same for a group, where --memory, --cpus and --pids-limit are no more than their limits. */
export function groupLimits(v: Values): Limits {
  const own = emptyTree();
  if (typeof v["memory"] === "string") put(own, ["memory", "max"], v["memory"]);
  if (typeof v["cpus"] === "string") put(own, ["cpu", "max"], v["cpus"]);
  if (typeof v["pids-limit"] === "string") put(own, ["pids", "max"], v["pids-limit"]);
  const more = (limits(v) ?? {}) as Tree;
  for (const [name, l] of Object.entries(more)) own[name] = { ...(own[name] as Tree), ...(l as Tree) };
  return own;
}
