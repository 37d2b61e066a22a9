import { closeSync, fstatSync, lstatSync, openSync, readlinkSync, readSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { O } from "../kernel/flags.ts";
import { codeOf } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";

/** As many as the kernel follows. path_resolution(7) */
export const MOST_LINKS = 40;

/**
 * Where a path leads inside a root filesystem, links followed as RESOLVE_IN_ROOT of openat2(2) does, and past those that
 * lead to what is not there yet. Only a look: what is opened by it is opened in the root again, by the same rules.
 */
export function resolveInRoot(root: string, path: string): string {
  const ahead = path.split("/").filter(Boolean);
  const found: string[] = [];
  for (let links = 0; ahead.length; ) {
    const name = ahead.shift() as string;
    if (name === "..") found.pop();
    else if (name !== ".") {
      const at = join(root, ...found, name);
      if (lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink() && links < MOST_LINKS) {
        links++;
        const target = readlinkSync(at);
        if (target.startsWith("/")) found.length = 0;
        ahead.unshift(...target.split("/").filter(Boolean));
      } else found.push(name);
    }
  }
  return `/${found.join("/")}`;
}

/** More than users or hosts of any machine take, and less than would hurt to read. */
const MOST_BYTES = 16 << 20;

/** What is open there, if it is a file of the root: neither waited for (a pipe), nor without an end (a device). */
function contentOf(fd: number, inside: string, path: string): string | undefined {
  // Asked of what is open: what the path leads to may be another thing by now.
  if (!readlinkSync(`/proc/self/fd/${fd}`).startsWith(inside)) return undefined;
  const stat = fstatSync(fd);
  if (!stat.isFile()) return undefined;
  if (stat.size > MOST_BYTES)
    throw new CaissonError(`${path} of the root filesystem: it is larger than ${MOST_BYTES >> 20} MiB`);
  const bytes = Buffer.alloc(stat.size);
  let size = 0;
  for (let n = -1; n !== 0 && size < bytes.length; size += n) n = readSync(fd, bytes, size, bytes.length - size, null);
  return bytes.toString("utf8", 0, size);
}

/** The text of a file of a root filesystem, if it is one; what is a link out of the root is not followed. */
export function textInRoot(root: string, path: string): string | undefined {
  try {
    const inside = root === "/" ? "/" : `${realpathSync(root)}/`;
    const real = realpathSync(join(root, path));
    if (!real.startsWith(inside) || !statSync(real).isFile()) return undefined;
    const fd = openSync(real, O.RDONLY | O.NOFOLLOW | O.NONBLOCK | O.NOCTTY);
    try {
      return contentOf(fd, inside, path);
    } finally {
      closeSync(fd);
    }
  } catch (e) {
    if (codeOf(e) === undefined) throw e;
    return undefined;
  }
}

export const covers = (above: string, path: string): boolean =>
  path === above || path.startsWith(above === "/" ? above : `${above}/`);
/** Whether one of the directories is the path or above it; none of them has a "/" at its end. */
export function isBelowAny(directories: ReadonlySet<string>, path: string): boolean {
  for (let at = path; at.length > 1; at = at.slice(0, at.lastIndexOf("/"))) if (directories.has(at)) return true;
  return directories.has("/");
}
export const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
