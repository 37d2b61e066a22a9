import { lstatSync } from "node:fs";
import { join } from "node:path";

/** Mount points at the top of a root filesystem, which are looked at before: those below may be in another mount. */
export const topPoints = (mounts: readonly { readonly destination: string }[]): string[] =>
  mounts.map((m) => m.destination).filter((d) => /^\/[^/]+$/.test(d));

/** Those that are there as directories and no links. Only looked at: the program opens them again by its own rules. */
export const existingPoints = (root: string, mounts: readonly { readonly destination: string }[]): string[] =>
  topPoints(mounts).filter((p) => lstatSync(join(root, p), { throwIfNoEntry: false })?.isDirectory() === true);
