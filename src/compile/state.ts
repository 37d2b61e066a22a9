import { AT, AT_FDCWD, LOCK, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { buffer } from "../program/values.ts";
import { type Context, writeFile } from "./context.ts";
import { writeWithHere } from "./here.ts";
import { countLiving, countNoMore } from "./living.ts";
import { STARTED, timeOfDay, timeSinceBoot } from "./record.ts";

/** The files of a container's state directory. `ended` is there once it has ended; `lock` is held until then. */
export const STATE_FILES = {
  lock: "lock",
  state: "state.json",
  started: "started",
  ended: "ended",
  home: "home",
} as const;

/** Whether the state directory is ours: the result of making it; and its lock. */
export type Kept = { readonly made: Slot; readonly lock: Slot; readonly count?: Slot } | undefined;

/**
 * Making the directory takes the name. The lock is held as long as the supervisor lives, however it ends: who finds
 * it free knows that nobody looks after what is noted there. state.json comes after the lock, so that no state is
 * ever seen without an owner while it has one.
 */
export function keepState(c: Context, s: SectionBuilder): Kept {
  const { state } = c.job;
  if (!state) return undefined;
  const count = state.counted ? countLiving(s) : undefined;
  const made = s.get(`take the name ${c.job.name}`, "mkdirat", [AT_FDCWD, state.directory, 0o700]);
  const path = `${state.directory}/${STATE_FILES.lock}`;
  const lock = s.get("open the lock", "openat", [AT_FDCWD, path, O.RDWR | O.CREAT | O.CLOEXEC, 0o600]);
  s.call("hold the lock", "flock", [lock, LOCK.EX | LOCK.NB]);
  const { here } = c;
  const text = here ? (file: Slot) => writeWithHere(s, file, state.json, here) : state.json;
  writeFile(s, "write the state", `${state.directory}/${STATE_FILES.state}`, text, O.WRONLY | O.CREAT | O.EXCL);
  // For who pauses it without reading what is noted.
  const home = c.job.cgroup.groups.find((g) => g.unified)?.path;
  if (home)
    s.call("point to its control group", "symlinkat", [home, AT_FDCWD, `${state.directory}/${STATE_FILES.home}`]);
  return { made, lock, ...(count && { count }) };
}

/** Written beside and renamed, so that a reader sees all of it or nothing. */
function writeRecord(c: Context, s: SectionBuilder, file: string, record: Block, size: number): void {
  const directory = c.job.state?.directory ?? "";
  const path = `${directory}/${file}`;
  const flags = O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC;
  const fd = s.get(`open ${file}`, "openat", [AT_FDCWD, `${path}.new`, flags, 0o600]);
  s.call(`write ${file}`, "write", [fd, record, size]);
  s.call(`close ${file}`, "close", [fd]);
  s.call(`put ${file} in its place`, "renameat2", [AT_FDCWD, `${path}.new`, AT_FDCWD, path, 0]);
}

export function noteStart(c: Context, s: SectionBuilder, pid: Slot): void {
  if (!c.job.state) return;
  const record = buffer("started", STARTED.size);
  const supervisor = s.get("ask for the own pid", "getpid", []);
  s.store(pid, record, STARTED.pid, 8);
  s.store(supervisor, record, STARTED.supervisor, 8);
  const times = [...timeOfDay(s), ...timeSinceBoot(s)];
  for (const [i, time] of times.entries()) s.store(time, record, STARTED.startedAt + 8 * i, 8);
  writeRecord(c, s, STATE_FILES.started, record, STARTED.size);
}

/** Where nothing is to be left, whoever waits for the end has the lock open, and finds it there. */
export function noteEnd(c: Context, s: SectionBuilder, record: Block, kept: Kept): void {
  const size = record.bytes.length;
  if (!c.job.state || !kept) return;
  if (c.job.state.remove)
    s.call("tell who waits for the end", "pwrite64", [kept.lock, record, size, 0], { ignore: "all" });
  else writeRecord(c, s, STATE_FILES.ended, record, size);
}

export function removeState(c: Context, s: SectionBuilder, kept: Kept): void {
  const { state } = c.job;
  if (!state || !kept) return;
  s.skipIf(kept.made, "!=", 0, () => {
    for (const file of [
      ...[STATE_FILES.home, STATE_FILES.state, STATE_FILES.started, `${STATE_FILES.started}.new`, STATE_FILES.lock],
    ])
      s.call(`remove ${file}`, "unlinkat", [AT_FDCWD, `${state.directory}/${file}`, 0], { ignore: "all" });
    if (state.log && state.remove) {
      s.call("remove the log", "unlinkat", [AT_FDCWD, state.log.path, 0], { ignore: "all" });
      s.call("remove its directory", "unlinkat", [AT_FDCWD, state.log.directory, AT.REMOVEDIR], { ignore: "all" });
    }
    s.call(`give up the name ${c.job.name}`, "unlinkat", [AT_FDCWD, state.directory, AT.REMOVEDIR], { ignore: "all" });
    if (kept.count) countNoMore(s, kept.count);
  });
}
