import { until } from "../cgroups/freezer.ts";
import { callManager, groupOfManager, startTransientUnit } from "../cgroups/manager.ts";
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

/**
 * Asks systemd for the scope. The process that asks is the first in it, so that it is there before the container is;
 * Delegate=yes makes all below ours (systemd's "Control Group APIs and Delegation").
 */
export async function startUnit(unit: Unit, spec: Spec): Promise<void> {
  try {
    await startTransientUnit(unit.manager, unit.name, "replace", [
      ["Description", "s", `container ${spec.annotations?.["io.kubernetes.cri.container-name"] ?? unit.name}`],
      ["Slice", "s", unit.slice],
      ["Delegate", "b", "true"],
      ["PIDs", "au", "1", String(process.pid)],
      ["DefaultDependencies", "b", "false"],
      ["CollectMode", "s", "inactive-or-failed"],
    ]);
  } catch (e) {
    throw new RuntimeError(`ask systemd for ${unit.name} over D-Bus: ${reason(e)}`);
  }
  const there = () => readOr("/proc/self/cgroup")?.includes(`/${unit.name}`) === true;
  if (!(await until(there, WAIT_MS)))
    throw new RuntimeError(`ask systemd for ${unit.name}: it was not started within ${WAIT_MS / 1000} s`);
}

/** Gone with its last process, in most cases. */
export async function stopUnit(unit: Pick<Unit, "manager" | "name">): Promise<void> {
  try {
    await callManager(unit.manager, "StopUnit", "ss", [unit.name, "replace"]);
  } catch (e) {
    if (!/not loaded|NoSuchUnit/.test(reason(e))) throw e;
  }
}
