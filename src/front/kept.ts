import { PATH_MAX } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { buffer } from "../program/values.ts";

const F_GETFD = 1;

/**
 * `body` is performed with the working directory, unless that is not to be had. A stream that is closed would be whatever is opened first:
 * the engine opens something else there.
 */
export function withUsualCaller(s: SectionBuilder, body: (cwd: ReturnType<typeof buffer>) => void): void {
  const cwd = buffer("working directory", PATH_MAX);
  const known = s.get("ask for the working directory", "getcwd", [cwd, PATH_MAX], ANY);
  const open = [0, 1, 2].map((fd) => s.get(`is stream ${fd} open?`, "fcntl", [fd, F_GETFD], ANY));
  const unless = (slots: readonly Slot[]): void =>
    slots.length === 0 ? body(cwd) : s.skipIf(slots[0] as Slot, "<", 0, () => unless(slots.slice(1)));
  unless([known, ...open]);
}
