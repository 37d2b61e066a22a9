import { AT_FDCWD, MOUNT_ATTR, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, writeText } from "./context.ts";
import { attach, cloneTree, mountPoint, newFilesystem } from "./mounts.ts";

/**
 * Where files can be made that are then bound: before Linux 6.15 only what is mounted somewhere can be. The memory of a view of
 * a root is there already; else new memory covers the host's /proc, which is of no use from here on and goes with the host's root.
 * To uncover it would wait for all processors (RCU), which takes longer than all the rest.
 */
function memoryFor(c: Context, s: SectionBuilder, assembled: boolean): Slot {
  const path = assembled || c.job.root.kind === "directory" ? "/proc" : c.job.scratch;
  const place = () => s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.PATH | O.DIRECTORY | O.CLOEXEC, 0]);
  if (path === c.job.scratch) return place();
  const memory = newFilesystem(
    s,
    "tmpfs",
    [
      ["source", "caisson"],
      ["mode", "755"],
      ["size", "1m"],
    ],
    MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC,
  );
  const covered = place();
  attach(s, `cover ${path}`, memory, covered);
  s.call(`close ${path}`, "close", [covered]);
  return memory;
}

/** Files of the container's own, in memory that only its mount namespace knows, bound where the root has others or none. */
export function showFiles(c: Context, s: SectionBuilder, root: Slot, assembled: boolean): void {
  const { files = [] } = c.job;
  if (files.length === 0) return;
  const memory = memoryFor(c, s, assembled);
  files.forEach(({ path, text }, i) => {
    const name = `file-${i}`;
    const flags = O.WRONLY | O.CREAT | O.EXCL | O.CLOEXEC;
    const fd = s.get(`make the file of ${path}`, "openat", [memory, name, flags, 0o644]);
    writeText(s, `write the file of ${path}`, fd, text);
    s.call(`close ${path}`, "close", [fd]);
    const file = cloneTree(s, `open the file of ${path}`, memory, name);
    const point = mountPoint(s, root, path, { directory: false });
    attach(s, `show ${path}`, file, point);
    for (const n of [point, file]) s.call(`close ${path}`, "close", [n]);
  });
  s.call("close the files", "close", [memory]);
}
