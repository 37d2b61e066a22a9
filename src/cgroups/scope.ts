import { existsSync, statSync } from "node:fs";

/** The one scope in which all our groups are, where systemd runs. */
export const SCOPE = "caisson.scope";
export const SCOPE_PATH = `/system.slice/${SCOPE}`;

/** linux/proc_ns.h: PROC_CGROUP_INIT_INO. Whoever is in another cgroup namespace has a top of its own. */
const FIRST_CGROUP_NAMESPACE = 0xeffffffb;

/** sd_booted(3), and seen from where systemd's hierarchy is. */
export const isSystemd = (): boolean =>
  existsSync("/run/systemd/system") &&
  statSync("/proc/self/ns/cgroup", { throwIfNoEntry: false })?.ino === FIRST_CGROUP_NAMESPACE;
