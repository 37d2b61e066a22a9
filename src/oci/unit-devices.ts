import type { DeviceRule, DevicesLimits } from "../cgroups/controllers/devices.ts";
import type { Property } from "../cgroups/manager.ts";
import { readOr } from "../host/files.ts";

const overlap = (a: number | undefined, b: number | undefined) => a === undefined || b === undefined || a === b;
const touches = (a: DeviceRule, b: DeviceRule) =>
  (a.type === "a" || a.type === b.type) && overlap(a.major, b.major) && overlap(a.minor, b.minor);

/** What the kernel calls the devices of a major number, of which systemd takes no numbers without a minor one: proc(5). */
function nameOf({ type, major }: DeviceRule, table: string): string | undefined {
  const [characters = "", blocks = ""] = table.split(/^Block devices:$/m);
  return new RegExp(`^ *${major} (\\S+)$`, "m").exec(type === "b" ? blocks : characters)?.[1];
}

function pathOf(rule: DeviceRule, table: string): string | undefined {
  const kind = rule.type === "b" ? "block" : "char";
  if (rule.major !== undefined && rule.minor !== undefined) return `/dev/${kind}/${rule.major}:${rule.minor}`;
  const name = rule.major === undefined ? "*" : nameOf(rule, table);
  return name && `${kind}-${name}`;
}

/**
 * The rules for devices of a unit on v1, where systemd writes its own into the same files (on v2 each has a filter, and all must agree).
 * It has a list of what is allowed and no more: where a rule takes a part away from one before it, it is told of neither.
 */
export function unitDevices(limits: DevicesLimits, table = readOr("/proc/devices") ?? ""): Property[] {
  let all = limits.default === "allow";
  let allowed: DeviceRule[] = [];
  for (const rule of limits.rules) {
    if (rule.type === "a") [all, allowed] = [rule.allow, []];
    else if (rule.allow) allowed.push(rule);
    else allowed = allowed.filter((other) => !touches(rule, other));
  }
  if (all) return [["DevicePolicy", "s", "auto"], NONE];
  const entries = allowed.flatMap((rule) => {
    const path = pathOf(rule, table);
    return path === undefined ? [] : [path, rule.access];
  });
  // A list is added to: an empty one is what clears it.
  return [["DevicePolicy", "s", "strict"], NONE, ["DeviceAllow", "a(ss)", String(entries.length / 2), ...entries]];
}
const NONE: Property = ["DeviceAllow", "a(ss)", "0"];
