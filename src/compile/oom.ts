import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { openProc } from "./child.ts";
import { type Context, writeText } from "./context.ts";

/** `open` opens the proc directory. `ignore`: errnos that do not matter. */
function adjust(c: Context, s: SectionBuilder, open: () => Slot, ignore?: string[]): void {
  const value = c.spec.process?.oomScoreAdj;
  if (value === undefined) return;
  const directory = open();
  const fd = s.get("open oom_score_adj", "openat", [directory, "oom_score_adj", O.WRONLY | O.CLOEXEC, 0]);
  writeText(s, `set oom_score_adj to ${value}`, fd, String(value), ignore);
  for (const opened of [fd, directory]) s.call("close what was for oom_score_adj", "close", [opened]);
}

/**
 * By the process itself, for all that it starts, while it has the host's /proc and the host's rights: with those of a user namespace
 * the score cannot be lowered, and of who has changed its ids there the file belongs to somebody else. proc_pid_oom_score_adj(5).
 */
export const adjustOwnOom = (c: Context, s: SectionBuilder, ignore?: string[]): void =>
  adjust(
    c,
    s,
    () => s.get("open its own proc directory", "openat", [AT_FDCWD, "/proc/self", O.PATH | O.CLOEXEC, 0]),
    ignore,
  );

/** One that is born into a user namespace has these rights never: its parent does it. */
export const adjustOomOf = (c: Context, s: SectionBuilder, pid: Slot): void =>
  adjust(c, s, () => openProc(s, pid, "the child's"));
