import { isDirectory, readOptional } from "../cgroups/files.ts";
import { ControlGroup } from "../cgroups/group.ts";
import { homeOf } from "../cgroups/layout.ts";
import { layoutFor } from "../cgroups/look.ts";
import { moveAll } from "../cgroups/move.ts";
import { processesBeside } from "../host/pid-namespace.ts";
import { AT, AT_FDCWD, SIG_SETMASK } from "../kernel/flags.ts";
import { POLL, pollFor } from "../program/poll.ts";
import { performSteps } from "../program/steps.ts";
import { buffer } from "../program/values.ts";
import { NameError } from "../values/errors.ts";
import { groupPathOf } from "./group-path.ts";
import type { runningContainer } from "./state.ts";

type Running = ReturnType<typeof runningContainer>;

const BUSY_RETRIES = 100;

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
    const pidfd = waiter.get("find the supervisor", "pidfd_open", [supervisor, 0], { ignore: ["ESRCH"] });
    waiter.skipIf(pidfd, "<", 0, () => {
      waiter.call("wait for its end", "ppoll", [pollFor(waiter, pidfd, POLL.IN), 1, 0, 0, 8]);
    });
    for (const d of directories)
      waiter.call(`remove the control group ${d}`, "unlinkat", [AT_FDCWD, d, AT.REMOVEDIR], {
        ignore: "all",
        retries: BUSY_RETRIES,
      });
    waiter.exit(0);
    return s.spawn("start the waiter", waiter);
  });
}

/** Who does something else to the container at the same moment makes the same group. */
async function createOrOpen(path: string): Promise<ControlGroup> {
  try {
    return await ControlGroup.create(path);
  } catch (e) {
    if (!(e instanceof NameError)) throw e;
    return ControlGroup.open(path);
  }
}

/**
 * The control group of a running container. One that was started without gets one now: it is made, and the container's
 * processes move there, until none is left behind; it goes when the container does.
 */
export async function groupOfContainer(c: Running): Promise<ControlGroup> {
  const path = groupPathOf(c.noted.name, c.noted.cgroup);
  const home = `${homeOf(layoutFor(path))?.top}${path}`;
  if (isDirectory(home)) return ControlGroup.open(path);
  const group = await createOrOpen(path);
  await removeWhenEnded(c.started.supervisor, [home]);
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
    await removeWhenEnded(
      c.started.supervisor,
      group.directories.filter((d) => !before.has(d)),
    );
  }
}
