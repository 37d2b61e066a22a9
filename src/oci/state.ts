import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Labels, RUNTIME_FILES } from "../compile/runtime/lifecycle.ts";
import type { Spec } from "../compile/spec.ts";
import { readOr } from "../host/files.ts";
import { type Identity, isAlive, parseStat } from "../host/identity.ts";
import { codeOf, isCode } from "../values/code-of.ts";
import type { Unit } from "./cgroups-path.ts";
import { directoryOf, RuntimeError } from "./places.ts";

/** What is written down of a container at its creation: state.json. */
export type Saved = {
  readonly id: string;
  readonly ociVersion: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339 */
  readonly created: string;
  /** As it was performed: paths are absolute, defaults are filled in. */
  readonly spec: Spec;
  readonly cgroup: SavedGroups;
};

export type SavedGroups = {
  /** Below the top of each hierarchy. */
  readonly path: string;
  /** The directories of the groups, in all hierarchies. */
  readonly directories: readonly string[];
  /** Groups of resctrl: what another process enters, too, and what goes with the container. */
  readonly resctrl?: { readonly join: readonly string[]; readonly remove: readonly string[] };
  /** The unit of systemd's that it is in. */
  readonly unit?: Unit;
};

/** runtime.md "State"; "paused" is what engines know besides. */
export type Status = "creating" | "created" | "running" | "paused" | "stopped";

export type Container = {
  readonly directory: string;
  readonly saved: Saved;
  readonly init: Identity | undefined;
};

const F = RUNTIME_FILES;

export const noSuchContainer = (id: string) => new RuntimeError(`container ${id}: container does not exist`);

export function loadFrom(directory: string, id: string): Container {
  const json = readOr(join(directory, F.state));
  if (json === undefined) throw noSuchContainer(id);
  const stat = readOr(join(directory, F.init));
  return {
    directory,
    saved: JSON.parse(json) as Saved,
    init: stat === undefined ? undefined : parseStat(stat),
  };
}

export const load = (root: string, id: string | undefined): Container => {
  const directory = directoryOf(root, id);
  return loadFrom(directory, id as string);
};

/** Ids that have a directory, whole or not. */
export function listIds(root: string): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((e) => e.isDirectory())
      .map((e) => e.name)
      .sort();
  } catch (e) {
    if (isCode(e, "ENOENT")) return [];
    throw e;
  }
}

/** A first process that was not started yet still reads the FIFO; nobody else ever does. */
export function isWaiting(directory: string): boolean {
  try {
    closeSync(openSync(join(directory, F.go), constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (e) {
    const code = codeOf(e);
    if (code === "ENXIO" || code === "ENOENT") return false;
    throw e;
  }
}

/** Frozen, in the v2 hierarchy or by the v1 freezer. */
function isFrozen(c: Container): boolean {
  return c.saved.cgroup.directories.some(
    (d) =>
      readOr(join(d, "cgroup.freeze"))?.trim() === "1" ||
      (existsSync(join(d, "freezer.state")) && readOr(join(d, "freezer.state"))?.trim() !== "THAWED"),
  );
}

export function statusOf(c: Container): Status {
  if (!c.init) return isLocked(c.directory) ? "creating" : "stopped";
  if (!isAlive(c.init)) return "stopped";
  if (isFrozen(c)) return "paused";
  return isWaiting(c.directory) ? "created" : "running";
}

/** Whether somebody is still at making it: the lock ends with whoever holds it (proc_locks(5)). */
function isLocked(directory: string): boolean {
  const lock = statSync(join(directory, F.lock), { throwIfNoEntry: false, bigint: true });
  return lock !== undefined && new RegExp(`FLOCK .*:${lock.ino} `).test(readFileSync("/proc/locks", "utf8"));
}

/** The container's first process, which must be there. */
export const running = (c: Container, ...allowed: readonly Status[]): Identity => firstProcess(c, statusOf(c), allowed);

/** The same where the status is known. */
export function firstProcess(c: Container, status: Status, allowed: readonly Status[]): Identity {
  if (!c.init || !allowed.includes(status)) throw wrongStatus(c, `container not running: it is ${status}`);
  return c.init;
}

export const wrongStatus = (c: Container, why: string) => new RuntimeError(`container ${c.saved.id}: ${why}`);

export const labelsOf = (c: Container): Labels => JSON.parse(readOr(join(c.directory, F.labels)) ?? "{}") as Labels;

/** runtime.md "State", as it is printed and as hooks get it on standard input. */
export const stateOf = (c: Container, status: Status) => ({
  ociVersion: c.saved.ociVersion,
  id: c.saved.id,
  pid: status === "stopped" ? 0 : (c.init?.pid ?? 0),
  status,
  bundle: c.saved.bundle,
  rootfs: c.saved.rootfs,
  created: c.saved.created,
  annotations: c.saved.spec.annotations ?? {},
});
