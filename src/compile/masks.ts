import { errno } from "../kernel/errno.ts";
import { MOUNT_ATTR, O, RESOLVE } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, openInRoot } from "./context.ts";
import { attach, cloneTree, newFilesystem, setAttributes } from "./mounts.ts";

const MISSING = ["ENOENT", "ENOTDIR", "EACCES"] as const;
const ENOTDIR = errno("ENOTDIR");

/** Read-only and masked paths, those of `which`. */
export function confinePaths(c: Context, s: SectionBuilder, root: Slot, which: (path: string) => boolean): void {
  readonlyPaths(c, s, root, c.spec.linux?.readonlyPaths?.filter(which) ?? []);
  maskedPaths(c, s, root, c.spec.linux?.maskedPaths?.filter(which) ?? []);
}

/** Read-only paths: each is bound on itself, read-only. Those that this kernel lacks are passed over. */
function readonlyPaths(c: Context, s: SectionBuilder, root: Slot, paths: readonly string[]): void {
  for (const path of paths) {
    if (c.facts.kernelFiles[path] === "missing") continue;
    const at = openInRoot(s, root, path, O.PATH, { ignore: MISSING, label: `find ${path}, to make it read-only` });
    s.skipIf(at, "<", 0, () => {
      const tree = cloneTree(s, `open ${path} again`, at, "", { recursive: true });
      setAttributes(s, `make ${path} read-only`, tree, { set: MOUNT_ATTR.RDONLY, recursive: true });
      attach(s, `cover ${path}`, tree, at);
      s.call(`close ${path}`, "close", [tree]);
      s.call(`close ${path}`, "close", [at]);
    });
  }
}

/**
 * Masked paths: a directory is covered with an empty read-only tmpfs, all else with our own /dev/null. Which of the
 * two it is, is told by how it can be opened, and the mount goes on what was opened: nothing can be swapped between.
 */
function maskedPaths(c: Context, s: SectionBuilder, root: Slot, paths: readonly string[]): void {
  if (paths.length === 0) return;
  const none = openInRoot(s, root, "/dev/null", O.PATH, { resolve: RESOLVE.NO_SYMLINKS });
  const cover = (path: string, at: Slot, mask: () => Slot) =>
    s.skipIf(at, "<", 0, () => {
      const by = mask();
      attach(s, `mask ${path}`, by, at);
      s.call(`close ${path}`, "close", [by]);
      s.call(`close ${path}`, "close", [at]);
    });
  const label = c.spec.linux?.mountLabel;
  // Each has a tmpfs of its own: before Linux 6.15 a mount that is not attached cannot be cloned.
  const empty = () =>
    newFilesystem(
      s,
      "tmpfs",
      [["source", "masked"], ["nr_inodes", "1"], ...(label ? [["context", label] as const] : [])],
      MOUNT_ATTR.RDONLY,
    );
  for (const path of paths) {
    const label = `find ${path}, to mask it`;
    // The container's proc and sysfs are of the same kernel as the host's: what that lacks they lack.
    const kind = c.facts.kernelFiles[path];
    if (kind === "missing") continue;
    const asFile = () => {
      const file = openInRoot(s, root, path, O.PATH, { ignore: MISSING, label });
      cover(path, file, () => cloneTree(s, `open a mask for ${path}`, none, ""));
    };
    if (kind === "file") {
      asFile();
      continue;
    }
    const directory = openInRoot(s, root, path, O.PATH | O.DIRECTORY, { ignore: MISSING, label });
    cover(path, directory, empty);
    if (kind === undefined) s.skipIf(directory, "!=", -ENOTDIR, asFile);
  }
  s.call("close /dev/null", "close", [none]);
}
