import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

/** systemd as the machine's first process, or the one that each user who is logged in has. */
export type Manager = "system" | "user";

/** The one scope in which all our groups are, where systemd runs. */
export type Scope = {
  readonly manager: Manager;
  /** The manager's own group, below the top of the hierarchy: "" is the top itself. */
  readonly top: string;
  readonly slice: string;
  readonly path: string;
};
export const SCOPE = "caisson.scope";

const scopeIn = (manager: Manager, top: string, slice: string): Scope => ({
  manager,
  top,
  slice,
  path: `${top}/${slice}/${SCOPE}`,
});

/** linux/proc_ns.h: PROC_CGROUP_INIT_INO. Whoever is in another cgroup namespace has a top of its own. */
const FIRST_CGROUP_NAMESPACE = 0xeffffffb;

/** sd_booted(3), and seen from where systemd's hierarchy is. */
export const isSystemd = (): boolean =>
  existsSync("/run/systemd/system") &&
  statSync("/proc/self/ns/cgroup", { throwIfNoEntry: false })?.ino === FIRST_CGROUP_NAMESPACE;

/** Where a user's own manager listens: file-hierarchy(7). su(1) and sudo(8) leave the variable unset. */
export const runtimeDirectory = (): string => process.env["XDG_RUNTIME_DIR"] || `/run/user/${process.geteuid?.()}`;

/** The scope of this user: user@.service(5), and systemd.special(7) on app.slice. */
export function ownScope(): Scope | undefined {
  if (!isSystemd()) return undefined;
  const uid = process.geteuid?.();
  if (uid === 0) return scopeIn("system", "", "system.slice");
  if (!existsSync(join(runtimeDirectory(), "bus"))) return undefined;
  return scopeIn("user", `/user.slice/user-${uid}.slice/user@${uid}.service`, "app.slice");
}
