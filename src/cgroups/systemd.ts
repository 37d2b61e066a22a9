import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { SIG_SETMASK } from "../kernel/flags.ts";
import { performSteps } from "../program/steps.ts";
import { buffer } from "../program/values.ts";
import { CaissonError } from "../values/errors.ts";
import { writeFile } from "./files.ts";
import { until } from "./freezer.ts";
import { signalEach } from "./kill.ts";
import type { Layout } from "./layout.ts";
import { SCOPE, SCOPE_PATH } from "./scope.ts";

/**
 * Where systemd runs, the v2 hierarchy is its own: who makes groups asks it for a scope with Delegate=yes, over D-Bus
 * (systemd's "Control Group APIs and Delegation"). One scope holds all our groups; a process of the executor, which
 * only sleeps, keeps it there.
 */
const HOLDER = "holder";
const WAIT_MS = 10_000;
const SIGKILL = 9;

/** A process that does nothing, in a session of its own. */
async function startHolder(): Promise<number> {
  const done = await performSteps((s, program) => {
    const holder = program.section("holder");
    holder.call("leave the caller's session", "setsid", []);
    const none = buffer("no signals", 8);
    holder.call("take all signals", "rt_sigprocmask", [SIG_SETMASK, none, 0, 8]);
    holder.call("close all files", "close_range", [0, 0xffffffff, 0]);
    holder.call("wait for the end", "ppoll", [0, 0, 0, 0, 8]);
    holder.exit(0);
    return s.spawn("start the holder of the scope", holder);
  });
  const pid = done.value(done.made);
  if (pid <= 0) throw new CaissonError(`start the holder of ${SCOPE}: errno ${done.failure?.errno}`);
  return pid;
}

const manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"];

/** busctl(1) is systemd's own D-Bus client: it is where systemd is. */
async function startScope(pid: number): Promise<void> {
  const properties = [
    "3",
    "Description",
    "s",
    "control groups of caisson",
    "Delegate",
    "b",
    "true",
    "PIDs",
    "au",
    "1",
    String(pid),
  ];
  const call = ["call", ...manager, "StartTransientUnit", "ssa(sv)a(sa(sv))", SCOPE, "fail", ...properties, "0"];
  await promisify(execFile)("busctl", ["--system", ...call]);
}

const inScope = (pid: number): boolean => readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(`::${SCOPE_PATH}`);

/** Sees to it that the directory is there in which groups are made. Nothing is asked where it is, or without systemd. */
export async function ensureDelegation(layout: Layout): Promise<void> {
  const { v2 } = layout;
  if (v2?.base !== SCOPE_PATH) return;
  const leaf = `${v2.point}${SCOPE_PATH}/${HOLDER}`;
  if (existsSync(leaf)) return;
  const pid = await startHolder();
  try {
    await startScope(pid);
  } catch (e) {
    signalEach([pid], SIGKILL);
    // Somebody else has just asked for it.
    if (await until(() => existsSync(leaf), WAIT_MS / 10)) return;
    const why = e instanceof Error ? e.message.trim().split("\n").at(-1) : String(e);
    throw new CaissonError(`ask systemd for ${SCOPE} over D-Bus: ${why}`);
  }
  if (!(await until(() => inScope(pid), WAIT_MS)))
    throw new CaissonError(`ask systemd for ${SCOPE}: it was not started within ${WAIT_MS / 1000} s`);
  // A group with processes of its own cannot give controllers to its children.
  mkdirSync(leaf);
  writeFile(`${leaf}/cgroup.procs`, String(pid));
}
