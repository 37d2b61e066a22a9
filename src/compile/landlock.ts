import type { HostFacts } from "../host/facts.ts";
import { kernelAtLeast } from "../host/facts.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { struct } from "../program/values.ts";
import type { Context } from "./context.ts";
import type { PathRule } from "./spec.ts";

/** linux/landlock.h: what may be done with files; the bits came in this order. */
const RIGHT = {
  EXECUTE: 1,
  WRITE_FILE: 2,
  READ_FILE: 4,
  READ_DIR: 8,
  REFER: 1 << 13,
  TRUNCATE: 1 << 14,
  IOCTL_DEV: 1 << 15,
} as const;
const FIRST_RIGHTS = (1 << 13) - 1;
/** What a file by itself may be allowed; the rest is of directories. */
const OF_FILES = RIGHT.EXECUTE | RIGHT.WRITE_FILE | RIGHT.READ_FILE | RIGHT.TRUNCATE | RIGHT.IOCTL_DEV;
const READING = RIGHT.EXECUTE | RIGHT.READ_FILE | RIGHT.READ_DIR;
const RULE_PATH_BENEATH = 1;

/** All rights that this kernel knows: what is not handled is not limited. Landlock ABI 2, 3 and 5. */
const handled = (facts: HostFacts) =>
  FIRST_RIGHTS |
  (kernelAtLeast(facts, 5, 19) ? RIGHT.REFER : 0) |
  (kernelAtLeast(facts, 6, 2) ? RIGHT.TRUNCATE : 0) |
  (kernelAtLeast(facts, 6, 10) ? RIGHT.IOCTL_DEV : 0);

export const LANDLOCK_LABEL = "limit the paths";

/** Nothing but these paths can be opened from now on, by this process and all that come of it. landlock(7). */
export function limitPaths(c: Context, s: SectionBuilder): void {
  const rules = c.spec.linux?.landlock;
  if (!rules) return;
  const all = handled(c.facts);
  const attributes = struct("landlock_ruleset_attr", [[8, all]]);
  const set = s.get(`${LANDLOCK_LABEL}: make the rules`, "landlock_create_ruleset", [
    attributes,
    attributes.bytes.length,
    0,
  ]);
  for (const rule of rules) addRule(s, set, rule, all);
  s.call(`${LANDLOCK_LABEL}: put the rules in force`, "landlock_restrict_self", [set, 0]);
  s.call("close the rules", "close", [set]);
}

function addRule(s: SectionBuilder, set: ReturnType<SectionBuilder["get"]>, rule: PathRule, all: number): void {
  const { path, access, isFile } = rule;
  const rights = (access === "read" ? READING : all) & (isFile ? OF_FILES : all);
  const fd = s.get(`${LANDLOCK_LABEL}: open ${path}`, "openat", [AT_FDCWD, path, O.PATH | O.CLOEXEC, 0]);
  const beneath = struct("landlock_path_beneath_attr", [
    [8, rights],
    [4, 0],
  ]);
  s.store(fd, beneath, 8, 4);
  s.call(`${LANDLOCK_LABEL}: allow ${access === "read" ? "reading" : "all"} below ${path}`, "landlock_add_rule", [
    set,
    RULE_PATH_BENEATH,
    beneath,
    0,
  ]);
  s.call(`close ${path}`, "close", [fd]);
}
