import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { until } from "../cgroups/freezer.ts";
import { isSystemd } from "../cgroups/scope.ts";
import type { Spec } from "../compile/spec.ts";
import { readOr } from "../host/files.ts";
import { RuntimeError } from "./places.ts";

const manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];
const WAIT_MS = 10_000;

const busctl = (...words: string[]) => promisify(execFile)("busctl", ["--system", "call", ...manager, ...words]);

/**
 * Asks systemd for the scope. The process that asks is the first in it, so that it is there before the container is;
 * Delegate=yes makes all below ours (systemd's "Control Group APIs and Delegation").
 */
export async function startUnit(unit: { name: string; slice: string }, spec: Spec): Promise<void> {
  if (!isSystemd()) throw new RuntimeError("--systemd-cgroup: systemd is not what runs this machine");
  const properties: string[][] = [
    ["Description", "s", `container ${spec.annotations?.["io.kubernetes.cri.container-name"] ?? unit.name}`],
    ["Slice", "s", unit.slice],
    ["Delegate", "b", "true"],
    ["PIDs", "au", "1", String(process.pid)],
    ["DefaultDependencies", "b", "false"],
    ["CollectMode", "s", "inactive-or-failed"],
  ];
  const words = [unit.name, "replace", String(properties.length), ...properties.flat(), "0"];
  try {
    await busctl("StartTransientUnit", "ssa(sv)a(sa(sv))", ...words);
  } catch (e) {
    const why = e instanceof Error ? e.message.trim().split("\n").at(-1) : String(e);
    throw new RuntimeError(`ask systemd for ${unit.name} over D-Bus: ${why}`);
  }
  const there = () => readOr("/proc/self/cgroup")?.includes(`/${unit.name}`) === true;
  if (!(await until(there, WAIT_MS)))
    throw new RuntimeError(`ask systemd for ${unit.name}: it was not started within ${WAIT_MS / 1000} s`);
}

/** Gone with its last process, in most cases. */
export async function stopUnit(name: string): Promise<void> {
  try {
    await busctl("StopUnit", "ss", name, "replace");
  } catch (e) {
    if (!(e instanceof Error) || !/not loaded|NoSuchUnit/.test(e.message)) throw e;
  }
}
