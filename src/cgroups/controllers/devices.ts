import { InvalidOptionError } from "../../values/errors.ts";
import { checkShape, listOf, text } from "../../values/shape.ts";
import { type Controller, type Write, write } from "../controller.ts";
import { parseDevice } from "../device-numbers.ts";

/**
 * Which devices may be opened and made. Each is "/dev/null", "/dev/null rw", "c 1:3 rwm", "b 8:* r" or "a"; r, w and m
 * are read, write and mknod, all three if not given. Source: cgroup-v1 "devices"; cgroup-v2 "Device controller".
 */
export type DevicesInput = {
  /** What holds for all others. Default "deny". */
  readonly default?: "deny" | "allow";
  readonly allow?: readonly string[];
  /** Comes after `allow`. */
  readonly deny?: readonly string[];
};

/** `undefined` numbers are all. */
export type DeviceRule = {
  readonly allow: boolean;
  readonly type: "b" | "c" | "a";
  readonly major?: number;
  readonly minor?: number;
  readonly access: string;
};
/** The last rule that fits decides. */
export type DevicesLimits = { readonly default: "deny" | "allow"; readonly rules: readonly DeviceRule[] };

const number = (text: string) => (text === "*" ? undefined : Number(text));

export function parseRule(field: string, text: string, allow: boolean): DeviceRule {
  const [, path, type, numbers, access = "rwm"] =
    /^(?:(\/\S+)|([abc])(?:\s+((?:\d+|\*):(?:\d+|\*)))?)(?:\s+([rwm]+))?$/.exec(text.trim()) ?? [];
  if (path === undefined && type === undefined)
    throw new InvalidOptionError(field, text, 'a device such as "/dev/null rw", "c 1:3 rwm" or "b 8:* r"');
  const [kind, id] = path === undefined ? [type as "a" | "b" | "c", numbers ?? "*:*"] : lookUp(field, path);
  const [major, minor] = id.split(":").map(number);
  return {
    allow,
    type: kind,
    access,
    ...(major !== undefined && { major }),
    ...(minor !== undefined && { minor }),
  };
}

function lookUp(field: string, path: string): ["b" | "c", string] {
  try {
    return ["c", parseDevice(field, path, "c")];
  } catch {
    return ["b", parseDevice(field, path, "b")];
  }
}

export const ruleText = (r: DeviceRule): string =>
  r.type === "a" ? "a" : `${r.type} ${r.major ?? "*"}:${r.minor ?? "*"} ${r.access}`;

/** "c 1:3 rwm" lines; "a *:* rwm" is everything. */
function readList(text: string): DevicesLimits {
  const rules = text
    .trim()
    .split("\n")
    .filter(Boolean)
    .map((line) => parseRule("devices.list", line, true));
  const all = rules.some((r) => r.type === "a");
  return { default: all ? "allow" : "deny", rules: all ? [] : rules };
}

const v1Writes = (l: DevicesLimits): { file: string; text: string }[] => [
  { file: l.default === "deny" ? "devices.deny" : "devices.allow", text: "a" },
  ...l.rules.map((r) => ({ file: r.allow ? "devices.allow" : "devices.deny", text: ruleText(r) })),
];

export const devices: Controller<DevicesInput, DevicesLimits, Record<string, never>> = {
  name: "devices",
  v1: "devices",
  v2: "core",
  config: "CONFIG_CGROUP_DEVICE, CONFIG_CGROUP_BPF",
  fields: ["default", "allow", "deny"],
  parse(input, field) {
    for (const key of ["allow", "deny"] as const) checkShape(`${field}.${key}`, input[key] ?? [], listOf(text));
    if (input.default !== undefined && input.default !== "deny" && input.default !== "allow")
      throw new InvalidOptionError(`${field}.default`, input.default, '"deny" or "allow"');
    return {
      default: input.default ?? "deny",
      rules: [
        ...(input.allow ?? []).map((text) => parseRule(`${field}.allow`, text, true)),
        ...(input.deny ?? []).map((text) => parseRule(`${field}.deny`, text, false)),
      ],
    };
  },
  /** On v2 there is no file: a filter is attached to the group (filter.ts). */
  writes(l, now): readonly Write[] {
    if (now.version === "v2") return [];
    const undo = (old: string) => v1Writes(readList(old));
    return v1Writes(l).map(({ file, text }) => write(file, text, { old: "devices.list", undo }));
  },
  limits: (f) => readList(f.read("devices.list") ?? "a"),
  usage: () => ({}),
};
