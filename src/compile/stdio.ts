import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { high, low } from "../program/values.ts";
import type { Context } from "./context.ts";
import { closeFrom, closeOnExecFrom, FD } from "./descriptors.ts";
import { keepSpare } from "./spare.ts";

/** Pipes that were made before the supervisor was: for each stream, and for the rest of a program. */
export type Given = {
  readonly streams: readonly (Slot | undefined)[];
  readonly warm?: { readonly from: Slot; readonly to: Slot };
  /** The sockets of the seccomp listener. */
  readonly notify?: Slot;
};

/**
 * Puts the container's side of its streams on fixed numbers and closes all that came with the fork: the launcher
 * may hold pipes of other containers at that moment, whose readers would wait for us to close them.
 */
export function arrangeStdio(c: Context, s: SectionBuilder, given: Given): (number | undefined)[] {
  const { stdio, report } = c.job;
  const fds = stdio.map((plan, n) => {
    const fd = FD.STDIO + n;
    if (plan.kind === "inherit") return undefined;
    if (plan.kind === "pipe") {
      const pipe = given.streams[n];
      if (!pipe) throw new RangeError(`stream ${n} is to be a pipe, but none was made`);
      s.call(`keep the container's stream ${n}`, "dup3", [n === 0 ? low(pipe) : high(pipe), fd, O.CLOEXEC]);
      return fd;
    }
    const [path, flags] = plan.kind === "null" ? ["/dev/null", O.RDWR] : [plan.path, O.WRONLY | O.CREAT | O.APPEND];
    const opened = s.get(`open ${path}`, "openat", [AT_FDCWD, path, flags | O.CLOEXEC, 0o600]);
    // EINVAL: it has that number already.
    s.call(`keep it as stream ${n}`, "dup3", [opened, fd, O.CLOEXEC], { ignore: ["EINVAL"] });
    return fd;
  });
  keepSpare(c, s);
  if (given.warm) {
    s.call("keep the pipe of what comes", "dup3", [low(given.warm.from), FD.WAITING, O.CLOEXEC]);
    s.call("keep the pipe of the answer", "dup3", [high(given.warm.to), FD.WAITING + 1, O.CLOEXEC]);
  }
  if (given.notify) {
    s.call("keep the socket of the listener", "dup3", [high(given.notify), FD.NOTIFY, O.CLOEXEC]);
    if (!given.warm)
      for (const fd of [FD.WAITING, FD.WAITING + 1]) s.call("close what came with the fork", "close", [fd]);
    closeFrom(s, FD.NOTIFY + 1);
  } else if (report.to === "library") closeFrom(s, given.warm ? FD.WAITING + 2 : FD.WAITING);
  else closeOnExecFrom(s, FD.WAITING);
  return fds;
}

/** A detached supervisor lets go of the terminal and of whatever else the caller's streams were. */
export function leaveStdio(s: SectionBuilder, streams: readonly number[] = [0, 1, 2]): void {
  const none = s.get("open /dev/null", "openat", [AT_FDCWD, "/dev/null", O.RDWR | O.CLOEXEC, 0]);
  for (const fd of streams) s.call(`leave the caller's stream ${fd}`, "dup3", [none, fd, 0]);
  s.call("close /dev/null", "close", [none]);
}
