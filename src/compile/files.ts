import { AT_FDCWD, MNT_DETACH, MOUNT_ATTR, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, writeText } from "./context.ts";
import { attach, cloneTree, mountPoint, newFilesystem } from "./mounts.ts";

/** Files of the container's own, in memory that only its mount namespace knows, bound where the root has others or none. */
export function showFiles(c: Context, s: SectionBuilder, root: Slot): void {
  const { files = [] } = c.job;
  if (files.length === 0) return;
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
  // Before Linux 6.15 only what is mounted somewhere can be bound: for a moment it covers the host's /proc.
  const place = s.get("open the host's /proc", "openat", [AT_FDCWD, "/proc", O.PATH | O.DIRECTORY | O.CLOEXEC, 0]);
  attach(s, "mount the files for a moment", memory, place);
  files.forEach(({ path, text }, i) => {
    const name = String(i);
    const flags = O.WRONLY | O.CREAT | O.EXCL | O.CLOEXEC;
    const fd = s.get(`make the file of ${path}`, "openat", [memory, name, flags, 0o644]);
    writeText(s, `write the file of ${path}`, fd, text);
    s.call(`close ${path}`, "close", [fd]);
    const file = cloneTree(s, `open the file of ${path}`, memory, name);
    const point = mountPoint(s, root, path, { directory: false });
    attach(s, `show ${path}`, file, point);
    for (const n of [point, file]) s.call(`close ${path}`, "close", [n]);
  });
  for (const fd of [place, memory]) s.call("close the files", "close", [fd]);
  s.call("uncover the host's /proc", "umount2", ["/proc", MNT_DETACH]);
}
