import { openProc } from "../compile/child.ts";
import { openHow } from "../compile/context.ts";
import { RUNTIME_FILES } from "../compile/runtime/lifecycle.ts";
import { AT_FDCWD, O, RESOLVE } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { POLL, pollFor, timespec } from "../program/poll.ts";
import { ANY, type Slot } from "../program/types.ts";
import { addressOf } from "../program/values.ts";
import type { Said } from "./words.ts";

const F = RUNTIME_FILES;
/** struct stat: the number of the inode is its second word of 8 bytes. */
const STAT_WORDS = 18;
const INODE = 1;
const PLAIN_SIZE = 16;

/** A container that has nothing which only the engine can do, and its first process, if that is still the one. */
export type Found = {
  readonly root: Slot;
  readonly directory: Slot;
  readonly pid: Slot;
  readonly pidfd: Slot;
  /** 1 if the first process has not ended. */
  readonly alive: Slot;
};

/** `open` a file of the container's state directory. */
export const openState = (s: SectionBuilder, f: Pick<Found, "directory">, file: string, flags: number): Slot =>
  s.get(`open ${file}`, "openat", [f.directory, file, flags | O.CLOEXEC, 0], ANY);

/** Whether the process has ended: its descriptor can be read then. */
export function poll(s: SectionBuilder, pidfd: Slot, ms: number): Slot {
  const fds = pollFor(s, pidfd, POLL.IN);
  return s.get("has it ended?", "ppoll", [fds, 1, timespec(ms / 1000), 0, 8], ANY);
}

/**
 * Opens the state directory and finds the first process. `body` is performed only for a plain container. A number that
 * is another process's by now is told by the PID namespace, which was noted: this one has none like it.
 */
export function withContainer(s: SectionBuilder, said: Said, body: (f: Found) => void): void {
  const how = openHow(O.PATH | O.DIRECTORY, RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS);
  const root = s.get("open the root", "openat", [AT_FDCWD, said.root, O.PATH | O.DIRECTORY | O.CLOEXEC, 0], ANY);
  const directory = s.get("open the container", "openat2", [root, said.id, how, how.bytes.length], ANY);
  const plain = s.get("open the note", "openat", [directory, F.plain, O.RDONLY | O.CLOEXEC, 0], ANY);
  const [noted, pid] = [s.program.slot("noted namespace"), s.program.slot("noted pid")];
  const read = s.get("read the note", "read", [plain, addressOf(noted), PLAIN_SIZE], ANY);
  s.call("close the note", "close", [plain], ANY);
  s.skipIf(read, "!=", PLAIN_SIZE, () => {
    const pidfd = s.get("find the first process", "pidfd_open", [pid, 0], ANY);
    const proc = openProc(s, pid, "its", ANY);
    const stat = Array.from({ length: STAT_WORDS }, (_, i) => s.program.slot(`stat ${i}`));
    s.call("look at its PID namespace", "newfstatat", [proc, "ns/pid", addressOf(stat[0] as Slot), 0], ANY);
    const alive = s.program.slot("is it there?");
    s.let(alive, 0);
    s.skipIf(pidfd, "<", 0, () =>
      s.skipIf(stat[INODE] as Slot, "!=", noted, () => {
        const ended = poll(s, pidfd, 0);
        s.skipIf(ended, "!=", 0, () => s.let(alive, 1));
      }),
    );
    body({ root, directory, pid, pidfd, alive });
    for (const fd of [pidfd, proc]) s.call("close what was for that", "close", [fd], ANY);
  });
  for (const fd of [directory, root]) s.call("close what was for that", "close", [fd], ANY);
}
