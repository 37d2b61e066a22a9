import { until } from "../cgroups/freezer.ts";
import { endHolder, startHolder } from "../cgroups/holder.ts";
import {
  callManager,
  groupOfManager,
  type Property,
  setUnitProperties,
  startTransientUnit,
} from "../cgroups/manager.ts";
import { isSystemd } from "../cgroups/scope.ts";
import type { Spec } from "../compile/spec.ts";
import { readOr } from "../host/files.ts";
import type { GroupMaker, Unit } from "./cgroups-path.ts";
import { RuntimeError } from "./places.ts";

const WAIT_MS = 10_000;

const reason = (e: unknown) => (e instanceof Error ? e.message : String(e));

/** Where the manager's own group is, in which its units are. Without root it is the user's manager. */
export async function managerAt(rootless: boolean): Promise<GroupMaker> {
  if (!isSystemd()) throw new RuntimeError("--systemd-cgroup: systemd is not what runs this machine");
  if (!rootless) return { manager: "system", top: "" };
  try {
    return { manager: "user", top: await groupOfManager("user") };
  } catch (e) {
    throw new RuntimeError(`--systemd-cgroup: ask this user's systemd for its control group over D-Bus: ${reason(e)}`);
  }
}

/** A process to begin a scope with, for whoever goes on living. It ends with the launcher at the latest. */
export async function whileHeld<T>(use: (pid: number) => Promise<T>): Promise<T> {
  const pid = await startHolder("the container's scope", false);
  try {
    return await use(pid);
  } finally {
    await endHolder(pid);
  }
}

/**
 * Asks systemd for the scope, with a process that is there before the container is: by default the one that asks, which
 * leaves by ending. Delegate=yes makes all below ours (systemd's "Control Group APIs and Delegation").
 */
export async function startUnit(
  unit: Unit,
  spec: Spec,
  limits: readonly Property[],
  first = process.pid,
): Promise<void> {
  try {
    await startTransientUnit(unit.manager, unit.name, "replace", [
      ["Description", "s", `container ${spec.annotations?.["io.kubernetes.cri.container-name"] ?? unit.name}`],
      ["Slice", "s", unit.slice],
      ["Delegate", "b", "true"],
      ["PIDs", "au", "1", String(first)],
      ["DefaultDependencies", "b", "false"],
      ["CollectMode", "s", "inactive-or-failed"],
      ...limits,
    ]);
  } catch (e) {
    throw new RuntimeError(`ask systemd for ${unit.name} over D-Bus: ${reason(e)}`);
  }
  const there = () => readOr(`/proc/${first}/cgroup`)?.includes(`/${unit.name}`) === true;
  if (!(await until(there, WAIT_MS)))
    throw new RuntimeError(`ask systemd for ${unit.name}: it was not started within ${WAIT_MS / 1000} s`);
}

/** Tells systemd of other limits. */
export async function changeUnit({ manager, name }: Unit, limits: readonly Property[]): Promise<void> {
  try {
    if (limits.length) await setUnitProperties(manager, name, limits);
  } catch (e) {
    throw new RuntimeError(
      `tell systemd of the limits of ${name} over D-Bus: ${reason(e)} (they hold until it is reloaded)`,
    );
  }
}

/** Gone with its last process, in most cases. */
export async function stopUnit(unit: Pick<Unit, "manager" | "name">): Promise<void> {
  try {
    await callManager(unit.manager, "StopUnit", "ss", [unit.name, "replace"]);
  } catch (e) {
    if (!/not loaded|NoSuchUnit/.test(reason(e))) throw e;
  }
}
