import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { textBlock } from "../program/values.ts";
import { type Context, writeText } from "./context.ts";

const PROC = "/proc/";
const HOLE = "\0".repeat(11);

/** `of`: whose, by the path of its proc directory. `ignore`: errnos that do not matter. */
function adjust(c: Context, s: SectionBuilder, of: string | ReturnType<typeof textBlock>, ignore?: string[]): void {
  const value = c.spec.process?.oomScoreAdj;
  if (value === undefined) return;
  const directory = s.get("open the proc directory", "openat", [AT_FDCWD, of, O.PATH | O.CLOEXEC, 0]);
  const fd = s.get("open oom_score_adj", "openat", [directory, "oom_score_adj", O.WRONLY | O.CLOEXEC, 0]);
  writeText(s, `set oom_score_adj to ${value}`, fd, String(value), ignore);
  for (const open of [fd, directory]) s.call("close what was for oom_score_adj", "close", [open]);
}

/**
 * By the process itself, for all that it starts, while it has the host's /proc and the host's rights: with those of a user namespace
 * the score cannot be lowered, and of who has changed its ids there the file belongs to somebody else. proc_pid_oom_score_adj(5).
 */
export const adjustOwnOom = (c: Context, s: SectionBuilder, ignore?: string[]): void =>
  adjust(c, s, `${PROC}self`, ignore);

/** One that is born into a user namespace has these rights never: its parent does it. */
export function adjustOomOf(c: Context, s: SectionBuilder, pid: Slot): void {
  if (c.spec.process?.oomScoreAdj === undefined) return;
  const path = textBlock(`${PROC}${HOLE}\0`, "path of the child's proc directory");
  s.format(pid, path, PROC.length);
  adjust(c, s, path);
}
