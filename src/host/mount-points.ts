import { lstatSync } from "node:fs";
import { join } from "node:path";
import { exists, isBelowAny, resolveInRoot } from "./in-root.ts";

type Mounted = { readonly destination: string; readonly type?: string; readonly options?: readonly string[] };

/** A link at the destination is meant itself. */
const isOnLink = (m: Mounted) => m.options?.some((o) => o === "dest-nofollow" || o === "copy-symlink") === true;

/** Mount points at the top of a root filesystem, which are looked at before: those below may be in another mount. */
export const topPoints = (mounts: readonly Mounted[]): string[] =>
  mounts.map((m) => m.destination).filter((d) => /^\/[^/]+$/.test(d));

/**
 * Those that are there as directories and no links. Only looked at: the program opens them again by its own rules. What is mounted on the root itself hides
 * them.
 */
export const existingPoints = (root: string, mounts: readonly Mounted[]): string[] =>
  topPoints(mounts.some((m) => m.destination === "/") ? [] : mounts).filter(
    (p) => lstatSync(join(root, p), { throwIfNoEntry: false })?.isDirectory() === true,
  );

/** What the kernel shows of itself is mounted where nothing in a root filesystem can have led: on no link. */
export const isKernelView = (m: { readonly type?: string }): boolean => m.type === "proc" || m.type === "sysfs";

/**
 * Where to mount what is for a path: a link in the root filesystem to what is not there yet (etc/resolv.conf in many
 * images) cannot be opened, nor made anything of, so that the mount point is made where it leads to. `before` is mounted already: what is
 * below that, the root filesystem does not tell.
 */
function mountPlace(root: string, path: string, before: ReadonlySet<string>): string {
  if (isBelowAny(before, path)) return path;
  const real = resolveInRoot(root, path);
  return real === path || exists(join(root, real)) || isBelowAny(before, real) ? path : real;
}

/** The mounts, each at its place. */
export function placeMounts<M extends Mounted>(root: string, mounts: readonly M[]): M[] {
  const before = new Set<string>();
  return mounts.map((m) => {
    const placed = isKernelView(m) || isOnLink(m) ? m : { ...m, destination: mountPlace(root, m.destination, before) };
    before.add(m.destination);
    return placed;
  });
}
