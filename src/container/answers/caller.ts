import { readFileSync, readlinkSync } from "node:fs";
import { normalize } from "node:path";
import { openInRoot } from "../../compile/context.ts";
import { resetSignals } from "../../compile/signals.ts";
import { errnoName } from "../../kernel/errno.ts";
import { AT_FDCWD, CLONE, O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { performSteps } from "../../program/steps.ts";
import type { Slot } from "../../program/types.ts";
import { type Loose, struct } from "../../program/values.ts";
import { inWorker } from "../../program/worker.ts";
import { CallGoneError, type SyscallCall, type SyscallReply } from "../../seccomp/notify/call.ts";

const proc = <T>(read: () => T): T => {
  try {
    return read();
  } catch {
    throw new CallGoneError("the caller is gone");
  }
};

/** Who calls, as the host has its ids: those that files which it makes are owned by. proc_pid_status(5). */
export function identityOf(pid: number): { uid: number; gid: number; umask: number; process: number } {
  const status = proc(() => readFileSync(`/proc/${pid}/status`, "utf8"));
  const fourth = (key: string) =>
    Number(new RegExp(`^${key}:\\s+\\d+\\s+\\d+\\s+\\d+\\s+(\\d+)`, "m").exec(status)?.[1] ?? 0);
  return {
    uid: fourth("Uid"),
    gid: fourth("Gid"),
    // A thread calls; descriptors are its process's.
    process: Number(/^Tgid:\s+(\d+)/m.exec(status)?.[1] ?? pid),
    umask: Number.parseInt(/^Umask:\s+(\d+)/m.exec(status)?.[1] ?? "022", 8),
  };
}

const AT_CWD = BigInt.asUintN(32, BigInt(AT_FDCWD));

/** A path of the caller's as one from its root: what a directory's name is, links resolved, the kernel says. */
export function absolutePath(pid: number, path: string, dirfd = AT_CWD): string {
  if (path.startsWith("/")) return normalize(path);
  const at = BigInt.asUintN(32, dirfd) === AT_CWD ? "cwd" : `fd/${BigInt.asIntN(32, dirfd)}`;
  const directory = proc(() => readlinkSync(`/proc/${pid}/${at}`));
  return normalize(`${directory.replace(/ \(deleted\)$/, "")}/${path}`);
}

export const split = (path: string): [parent: string, name: string] => {
  const trimmed = path.replace(/(?<!\/)\/+$/, "");
  return [trimmed.slice(0, trimmed.lastIndexOf("/")) || "/", trimmed.slice(trimmed.lastIndexOf("/") + 1)];
};

/** Opens a path as the caller sees it: nothing that it names leads out of its root. */
export const openAsCaller = (s: SectionBuilder, root: number, path: string, flags: number): Slot =>
  openInRoot(s, root, path, flags, { label: `open ${path} of the caller` });

const ITIMER_REAL = 0;
const PATIENCE_S = 3;
/** struct itimerval: once, after so many seconds. */
const patience = struct("patience", [
  [8, 0],
  [8, 0],
  [8, PATIENCE_S],
  [8, 0],
]);

/** Opens what is the caller's by its pid, for as long: it is only used once the kernel has said that the call waits yet. */
export async function whileOpened<T>(
  call: SyscallCall,
  open: (s: SectionBuilder) => readonly Slot[],
  use: (fds: readonly number[]) => Promise<T>,
): Promise<T> {
  const opened = await performSteps(open);
  const fds = opened.made.map((slot) => opened.value(slot));
  try {
    if (opened.failure || !(await call.isWaiting())) throw new CallGoneError(`${call.name}: its caller is gone`);
    return await use(fds);
  } finally {
    await performSteps((s) => {
      for (const fd of fds) s.call("close what was opened for that", "close", [fd], { ignore: ["EBADF"] });
    });
  }
}

/**
 * Performs steps on the caller's root in a process of their own, and answers with the first failure's errno, or 0; `made` is what
 * the slot holds then that was written for it. Paths are looked up below `top` once it is entered, which is the caller's root by default.
 */
export async function onCallersRoot(
  call: SyscallCall,
  write: (s: SectionBuilder, root: number, enter: (top?: Loose) => void) => Slot | undefined,
): Promise<{ readonly reply: SyscallReply; readonly made?: bigint }> {
  const at = `/proc/${call.pid}`;
  const open = (s: SectionBuilder) => [
    s.get("open the caller's root", "openat", [AT_FDCWD, `${at}/root`, O.PATH | O.DIRECTORY | O.CLOEXEC, 0]),
    s.get("open its mounts", "openat", [AT_FDCWD, `${at}/ns/mnt`, O.RDONLY | O.CLOEXEC, 0]),
  ];
  return whileOpened(call, open, async (fds) => {
    const [root, namespace] = fds as [number, number];
    const done = await performSteps((s, program) =>
      inWorker(s, program, "worker for a caller", (worker) => {
        // Files of the caller's may be on a file system that he makes up (FUSE), and does not answer.
        resetSignals(worker);
        worker.call("wait for none longer than that", "setitimer", [ITIMER_REAL, patience, 0]);
        // It is to change its root: its parent's stays.
        worker.call("have a root of its own", "unshare", [CLONE.FS]);
        worker.call("clear the umask", "umask", [0]);
        return write(worker, root, (top = root) => {
          worker.call("enter its mounts", "setns", [namespace, CLONE.NEWNS]);
          worker.call("go to what is to be the root", "fchdir", [top]);
          worker.call("have it as the root", "chroot", ["."]);
        });
      }),
    );
    if (done.failure) return { reply: { errno: errnoName(done.failure.errno) as `E${string}` } };
    return { reply: { value: 0 }, ...(done.made && { made: done.wide(done.made) }) };
  });
}
