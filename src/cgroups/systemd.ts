import { existsSync } from "node:fs";
import { readOr } from "../host/files.ts";
import { CaissonError } from "../values/errors.ts";
import { makeDirectory, writeFile } from "./files.ts";
import { until } from "./freezer.ts";
import { endHolder, startHolder } from "./holder.ts";
import type { Layout } from "./layout.ts";
import { callManager, INFINITY, startTransientUnit } from "./manager.ts";
import { SCOPE, type Scope } from "./scope.ts";

/**
 * Where systemd runs, the v2 hierarchy is its own: who makes groups asks it for a scope with Delegate=yes, over D-Bus
 * (systemd's "Control Group APIs and Delegation"). One scope holds all our groups; a process of the executor, which
 * only sleeps, keeps it there.
 */
const HOLDER = "holder";
/** Where those are that start processes in a user's groups: see ensureDelegation. */
const STARTERS = "starters";
const WAIT_MS = 10_000;

const groupOf = (pid: number): string => /^0::(.*)$/m.exec(readOr(`/proc/${pid}/cgroup`) ?? "")?.[1] ?? "";

async function ensureScope(point: string, scope: Scope): Promise<void> {
  const leaf = `${point}${scope.path}/${HOLDER}`;
  if (existsSync(leaf)) return;
  const pid = await startHolder(SCOPE, true);
  try {
    await startTransientUnit(scope.manager, SCOPE, "fail", [
      ["Description", "s", "control groups of caisson"],
      ["Slice", "s", scope.slice],
      ["Delegate", "b", "true"],
      ["PIDs", "au", "1", String(pid)],
      // What is in it has limits of its own; all of it together would have those of a single service.
      ["TasksMax", "t", INFINITY],
      // A first process with no handler ignores SIGTERM, and the machine would wait for it for a minute and a half when it shuts down.
      ["TimeoutStopUSec", "t", "10000000"],
      // One that failed would stand in the way of the next.
      ["CollectMode", "s", "inactive-or-failed"],
    ]);
  } catch (e) {
    await endHolder(pid);
    // Somebody else has just asked for it.
    if (await until(() => existsSync(leaf), WAIT_MS / 10)) return;
    throw new CaissonError(`ask systemd for ${SCOPE} over D-Bus: ${e instanceof Error ? e.message : String(e)}`);
  }
  if (!(await until(() => groupOf(pid) === scope.path, WAIT_MS)))
    throw new CaissonError(`ask systemd for ${SCOPE}: it was not started within ${WAIT_MS / 1000} s`);
  // A group with processes of its own cannot give controllers to its children.
  makeDirectory(leaf);
  writeFile(`${leaf}/cgroup.procs`, String(pid));
}

/**
 * Where the supervisors of detached containers are, if systemd runs: when a service or a session ends that started them, all that is in
 * its group does. `starter` is the process that is to start them. Where systemd cannot be asked they stay in its group.
 */
export async function homeOfDetached(layout: Layout, starter: number): Promise<string | undefined> {
  const { v2 } = layout;
  if (!v2?.scope) return undefined;
  try {
    await ensureDelegation(layout, starter);
  } catch (e) {
    // Its limits, if it has any, were refused for that before: it is as good as it can be.
    if (e instanceof CaissonError) return undefined;
    throw e;
  }
  return `${v2.point}${v2.scope.path}/${HOLDER}`;
}

/** For a process that was started to outlive its caller: it goes there, too. */
export async function outliveCaller(layout: Layout): Promise<void> {
  const home = await homeOfDetached(layout, process.pid);
  try {
    if (home !== undefined) writeFile(`${home}/cgroup.procs`, String(process.pid));
  } catch (e) {
    if (!(e instanceof CaissonError)) throw e;
  }
}

/** Lets systemd move processes of this user into a group of the scope: `path` is below the scope. */
export async function attach(scope: Scope, path: string, pids: readonly number[]): Promise<void> {
  try {
    await callManager(scope.manager, "AttachProcessesToUnit", "ssau", [
      ...[SCOPE, path],
      ...[String(pids.length), ...pids.map(String)],
    ]);
  } catch (e) {
    const why = e instanceof Error ? e.message : String(e);
    throw new CaissonError(`let systemd move ${pids.join(", ")} into ${scope.path}${path}: ${why}`);
  }
}

/**
 * Sees to it that the directory is there in which groups are made. Nothing is asked where it is, or without systemd.
 * A user's session is a group of root's, out of which nobody else may move a process, nor start one elsewhere
 * (cgroup-v2 "Delegation Containment"): `starter`, the process which is to start others in groups, is moved by systemd.
 */
export async function ensureDelegation({ v2 }: Layout, starter?: number): Promise<void> {
  const { scope } = v2 ?? {};
  if (!v2 || !scope) return;
  await ensureScope(v2.point, scope);
  if (starter === undefined || scope.manager === "system" || groupOf(starter).startsWith(`${scope.top}/`)) return;
  makeDirectory(`${v2.point}${scope.path}/${STARTERS}`);
  await attach(scope, `/${STARTERS}`, [starter]);
}
