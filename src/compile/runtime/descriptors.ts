import { AT_FDCWD, O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { closeFrom, closeOnExecFrom } from "../descriptors.ts";
import { keepWritersOff } from "../own-file.ts";

const FIRST = 3;

/** Where a program is that is performed once, and then gone. One that stays is not named: undefined. */
export type OwnFile = string | undefined;

/** File descriptors with a fixed number, above those that the caller hands through. */
export type Numbers = {
  /** The performed file: kept to find labels in. */
  readonly own: number;
  /** In the first process: says that it is ready. */
  readonly ready: number;
  /** In the first process: says that it may let go of who made it. */
  readonly settled: number;
  readonly go: number;
  readonly done: number;
  /** What hooks print. */
  readonly said: number;
  readonly end: number;
};

export function numbers(preserve: number): Numbers {
  const own = FIRST + preserve;
  return { own, ready: own + 1, settled: own + 2, go: own + 3, done: own + 4, said: own + 5, end: own + 6 };
}

/** The own file first, then all numbers taken, so that nothing opened later gets one of them; the rest is closed. */
export function reserve(s: SectionBuilder, file: OwnFile, n: Numbers): void {
  keepWritersOff(s);
  const fd = s.get("open the own file", "openat", [AT_FDCWD, file ?? "/proc/self/exe", O.RDONLY, 0]);
  if (file !== undefined) s.call("remove it", "unlinkat", [AT_FDCWD, file, 0]);
  s.call("keep it open", "dup3", [fd, n.own, 0], { ignore: ["EINVAL"] });
  closeFrom(s, n.own + 1);
  for (let at = n.own + 1; at < n.end; at++) s.call(`reserve file descriptor ${at}`, "dup3", [n.own, at, O.CLOEXEC]);
}

/** What the caller handed through goes on to the command; nothing else does. */
export const leaveOnlyPreserved = (s: SectionBuilder, n: Numbers): void => closeOnExecFrom(s, n.own);
