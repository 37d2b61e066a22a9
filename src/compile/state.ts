import { AT, AT_FDCWD, LOCK, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Block, type Policy, type Slot } from "../program/types.ts";
import { buffer } from "../program/values.ts";
import { type Context, writeFile } from "./context.ts";
import { writeWithHere } from "./here.ts";
import type { StatePlan } from "./job.ts";
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

/** Whether the state directory is ours, and the place of what it keeps: the results of making them. */
export type Taken = { readonly made: Slot; readonly data?: Slot; readonly count?: Slot } | undefined;
/** And its lock. */
export type Kept = (NonNullable<Taken> & { readonly lock: Slot }) | undefined;

/** Making the directory takes the name: an earlier container's log and changes are removed before its name is given up. */
export function takeName(c: Context, s: SectionBuilder): Taken {
  const { state, name } = c.job;
  if (!state) return undefined;
  const count = state.counted ? countLiving(s) : undefined;
  const made = s.get(`take the name ${name}`, "mkdirat", [AT_FDCWD, state.directory, 0o700]);
  const taken = { made, ...(count && { count }) };
  if (!state.data) return taken;
  const { directory, log, changes } = state.data;
  // What was not to be kept is there only if the machine went down before it was removed.
  const policy = state.remove ? { ignore: ["EEXIST"] } : {};
  const data = s.get(`make the place of what ${name} keeps`, "mkdirat", [AT_FDCWD, directory, 0o700], policy);
  if (log && state.remove) s.call("remove an earlier log", "unlinkat", [AT_FDCWD, log, 0], { ignore: ["ENOENT"] });
  if (changes) s.call(`make the place of what ${name} changes`, "mkdirat", [AT_FDCWD, changes, 0o700]);
  return { ...taken, data };
}

/**
 * The lock is held as long as the supervisor lives, however it ends: who finds it free knows that nobody looks after what is
 * noted there. state.json comes after the lock, so that no state is ever seen without an owner while it has one.
 */
export function keepState(c: Context, s: SectionBuilder, taken: Taken): Kept {
  const { state } = c.job;
  if (!state || !taken) return undefined;
  const path = `${state.directory}/${STATE_FILES.lock}`;
  const lock = s.get("open the lock", "openat", [AT_FDCWD, path, O.RDWR | O.CREAT | O.CLOEXEC, 0o600]);
  s.call("hold the lock", "flock", [lock, LOCK.EX | LOCK.NB]);
  const { here } = c;
  const text = here ? (file: Slot) => writeWithHere(s, file, state.json, here) : state.json;
  const lasting = lastingPlace(state);
  for (const directory of lasting === undefined ? [state.directory] : [lasting, state.directory])
    writeFile(s, "write the state", `${directory}/${STATE_FILES.state}`, text, O.WRONLY | O.CREAT | O.EXCL);
  // For who pauses it without reading what is noted.
  const home = c.job.cgroup.groups.find((g) => g.unified)?.path;
  if (home)
    s.call("point to its control group", "symlinkat", [home, AT_FDCWD, `${state.directory}/${STATE_FILES.home}`]);
  return { ...taken, lock };
}

/** Where what is to be kept is still known when the machine was booted again. */
const lastingPlace = ({ data, remove }: StatePlan): string | undefined => (remove ? undefined : data?.directory);

/** Written beside and renamed, so that a reader sees all of it or nothing. */
function writeRecord(s: SectionBuilder, path: string, record: Block, policy: Policy = {}): void {
  const flags = O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC;
  const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, `${path}.new`, flags, 0o600], policy);
  const { length } = record.bytes;
  const written = s.get(`write ${path}`, "write", [fd, record, length], policy);
  s.call(`close ${path}`, "close", [fd], policy);
  s.skipIf(written, "!=", length, () =>
    s.call(`put ${path} in its place`, "renameat2", [AT_FDCWD, `${path}.new`, AT_FDCWD, path, 0], policy),
  );
}

export function noteStart(c: Context, s: SectionBuilder, pid: Slot): void {
  const { state } = c.job;
  if (!state) return;
  const record = buffer("started", STARTED.size);
  const supervisor = s.get("ask for the own pid", "getpid", []);
  s.store(pid, record, STARTED.pid, 8);
  s.store(supervisor, record, STARTED.supervisor, 8);
  const times = [...timeOfDay(s), ...timeSinceBoot(s)];
  for (const [i, time] of times.entries()) s.store(time, record, STARTED.startedAt + 8 * i, 8);
  writeRecord(s, `${state.directory}/${STATE_FILES.started}`, record);
}

/** Where nothing is to be left, whoever waits for the end has the lock open, and finds it there. */
export function noteEnd(c: Context, s: SectionBuilder, record: Block, kept: Kept): void {
  const { state } = c.job;
  if (!state || !kept) return;
  if (state.remove) s.call("tell who waits for the end", "pwrite64", [kept.lock, record, record.bytes.length, 0], ANY);
  else {
    // Its log may have filled the disk.
    const lasting = lastingPlace(state);
    if (lasting !== undefined) writeRecord(s, `${lasting}/${STATE_FILES.ended}`, record, ANY);
    writeRecord(s, `${state.directory}/${STATE_FILES.ended}`, record);
  }
}

function removeData(s: SectionBuilder, { directory, log, changes }: NonNullable<StatePlan["data"]>): void {
  for (const file of [log, `${directory}/${STATE_FILES.state}`])
    if (file) s.call(`remove ${file}`, "unlinkat", [AT_FDCWD, file, 0], ANY);
  for (const d of [changes, directory]) if (d) s.call(`remove ${d}`, "unlinkat", [AT_FDCWD, d, AT.REMOVEDIR], ANY);
}

/**
 * `failed`: changes that were begun are more than a program can remove. All of it stays under its name then, for who can
 * (src/container/state.ts, removeLeft).
 */
export function removeState(c: Context, s: SectionBuilder, kept: Kept, failed = false): void {
  const { state } = c.job;
  if (!state || !kept) return;
  const { data } = state;
  const all = () => {
    for (const file of [
      ...[STATE_FILES.home, STATE_FILES.state, STATE_FILES.started, `${STATE_FILES.started}.new`, STATE_FILES.lock],
    ])
      s.call(`remove ${file}`, "unlinkat", [AT_FDCWD, `${state.directory}/${file}`, 0], { ignore: "all" });
    // What is to be kept is another's where its place could not be made.
    if (data && state.remove) removeData(s, data);
    else if (data && kept.data) s.skipIf(kept.data, "!=", 0, () => removeData(s, data));
    s.call(`give up the name ${c.job.name}`, "unlinkat", [AT_FDCWD, state.directory, AT.REMOVEDIR], { ignore: "all" });
  };
  s.skipIf(kept.made, "!=", 0, () => {
    if (failed && kept.data && data?.changes) s.skipIf(kept.data, "==", 0, all);
    else all();
    if (kept.count) countNoMore(s, kept.count);
  });
}
