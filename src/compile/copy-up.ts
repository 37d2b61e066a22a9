import { AT, O, RESOLVE } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { openHow } from "./context.ts";
import type { CopiedEntry } from "./job.ts";

/** The most that one call copies. sendfile(2) */
export const WHOLE = 0x7ffff000;

/** Fills a new file system with what is below it: `point` was opened before it was covered. */
export function copyUp(s: SectionBuilder, entries: readonly CopiedEntry[], point: Slot, mounted: Slot): void {
  const [from, to] = [s.program.shared("a file to copy"), s.program.shared("its copy")];
  const inside = RESOLVE.IN_ROOT | RESOLVE.NO_SYMLINKS;
  for (const e of entries) {
    const label = `copy ${e.path}`;
    if (e.kind === "directory") s.call(label, "mkdirat", [mounted, e.path, 0o700]);
    else if (e.kind === "link") s.call(label, "symlinkat", [e.target, mounted, e.path]);
    else {
      const read = openHow(O.RDONLY, inside);
      const write = openHow(O.WRONLY | O.CREAT | O.EXCL, inside, 0o600);
      s.call(`open ${e.path}`, "openat2", [point, e.path, read, read.bytes.length], { result: from });
      s.call(label, "openat2", [mounted, e.path, write, write.bytes.length], { result: to });
      s.call(`content of ${e.path}`, "sendfile", [to, from, 0, WHOLE]);
      for (const fd of [from, to]) s.call(`close ${e.path}`, "close", [fd]);
    }
    s.call(`owner of ${e.path}`, "fchownat", [mounted, e.path, e.uid, e.gid, AT.SYMLINK_NOFOLLOW]);
    if (e.kind !== "link") s.call(`mode of ${e.path}`, "fchmodat", [mounted, e.path, e.mode]);
  }
}
