import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isDirectory, readOptional } from "../cgroups/files.ts";
import { until } from "../cgroups/freezer.ts";
import { ControlGroup } from "../cgroups/group.ts";
import { homeOf } from "../cgroups/layout.ts";
import { layoutFor } from "../cgroups/look.ts";
import { moveAll } from "../cgroups/move.ts";
import { removeTree } from "../cgroups/remove.ts";
import { BUSY_RETRIES } from "../compile/cgroup.ts";
import { STATE_FILES } from "../compile/state.ts";
import { exists } from "../host/in-root.ts";
import { processesBeside } from "../host/pid-namespace.ts";
import { AT, AT_FDCWD, O, SIG_SETMASK } from "../kernel/flags.ts";
import { POLL, pollFor } from "../program/poll.ts";
import { performSteps } from "../program/steps.ts";
import { ANY } from "../program/types.ts";
import { buffer, type Loose } from "../program/values.ts";
import { isCode } from "../values/code-of.ts";
import { NameError } from "../values/errors.ts";
import { groupPathOf } from "./group-path.ts";
import { findExact, type Running } from "./state.ts";
import { hasEnded } from "./while-running.ts";

/** A small process of the executor which removes groups once a container's supervisor has ended, however it does. */
export async function removeWhenEnded(supervisor: number, directories: readonly string[]): Promise<void> {
  if (directories.length === 0) return;
  await performSteps((s, program) => {
    const waiter = program.section("waiter");
    waiter.call("leave the caller's session", "setsid", []);
    const mask = buffer("all signals", 8);
    mask.bytes.fill(0xff);
    waiter.call("block all signals", "rt_sigprocmask", [SIG_SETMASK, mask, 0, 8]);
    waiter.call("close all files", "close_range", [0, 0xffffffff, 0]);
    const open = (label: string, at: Loose, path: string, flags: number) =>
      waiter.get(label, "openat", [at, path, flags | O.CLOEXEC, 0], ANY);
    // By their directories: by then there may be others of these names.
    const opened = directories.map((d) => open(`open the control group ${d}`, AT_FDCWD, d, O.PATH | O.DIRECTORY));
    const pidfd = waiter.get("find the supervisor", "pidfd_open", [supervisor, 0], { ignore: ["ESRCH"] });
    waiter.skipIf(pidfd, "<", 0, () => {
      waiter.call("wait for its end", "ppoll", [pollFor(waiter, pidfd, POLL.IN), 1, 0, 0, 8]);
    });
    // Who was on the way into the container when it was paused is still there, and would be for ever.
    for (const at of opened) {
      const kill = open("open what kills a group", at, "cgroup.kill", O.WRONLY);
      waiter.call("kill who is in it", "write", [kill, "1", 1], ANY);
    }
    for (const d of directories)
      waiter.call(`remove the control group ${d}`, "unlinkat", [AT_FDCWD, d, AT.REMOVEDIR], {
        ignore: "all",
        retries: BUSY_RETRIES,
      });
    waiter.exit(0);
    return s.spawn("start the waiter", waiter);
  });
}

const ADOPT_MS = 1000;

/** Whoever makes the link makes the group; one that is there is an earlier container's of this name, and about to go. */
async function adopt(c: Running, path: string, home: string): Promise<ControlGroup> {
  const link = join(c.directory, STATE_FILES.home);
  try {
    symlinkSync(home, link);
  } catch (e) {
    if (!isCode(e, "EEXIST")) throw e;
    await until(() => isDirectory(home), ADOPT_MS);
    return ControlGroup.open(path);
  }
  try {
    if (!(await until(() => removeTree(home), ADOPT_MS)))
      throw new NameError(c.noted.name, `the control group ${home} is an earlier container's, and busy`);
    const group = await ControlGroup.create(path);
    await removeWhenEnded(c.started.supervisor, [home]);
    return group;
  } catch (e) {
    rmSync(link, { force: true });
    throw e;
  }
}

/**
 * The control group of a running container. One that was started without gets one now: it is made, and the container's
 * processes move there, until none is left behind; it goes when the container does.
 */
export async function groupOfContainer(c: Running): Promise<ControlGroup> {
  const path = groupPathOf(c.noted.name, c.noted.cgroup);
  const home = `${homeOf(layoutFor(path))?.top}${path}`;
  const isNoted = c.noted.cgroup.groups.some((g) => g.path === home);
  if (isDirectory(home) && (isNoted || exists(join(c.directory, STATE_FILES.home)))) return ControlGroup.open(path);
  const group = await adopt(c, path, home);
  moveAll(() => processesBeside(c.started.pid).filter((pid) => !isIn(pid, path)), home);
  return group;
}

const isIn = (pid: number, path: string): boolean =>
  (readOptional(`/proc/${pid}/cgroup`) ?? "")
    .split("\n")
    .some((l) => l.startsWith("0::") && l.slice(3).startsWith(path));

/** Runs a change that may give the container groups in further hierarchies, and sees to it that they go with it. */
export async function changing<T>(c: Running, change: (group: ControlGroup) => Promise<T>): Promise<T> {
  const group = await groupOfContainer(c);
  const before = new Set(group.directories);
  try {
    return await change(group);
  } finally {
    const now = findExact(c.noted.name);
    const isOver = hasEnded(c, now);
    // Where it has ended, what it had may have been made again, by the name that another has by now, and goes with that one.
    if (!isOver || now?.status !== "creating")
      await removeWhenEnded(
        (isOver && now?.status === "running" ? now.started : c.started)?.supervisor ?? c.started.supervisor,
        group.directories.filter((d) => isOver || !before.has(d)),
      );
  }
}
