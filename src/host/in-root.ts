import { lstatSync, readFileSync, readlinkSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

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

/** The text of a file of a root filesystem, if it is one; what is a link out of the root is not followed. */
export function textInRoot(root: string, path: string): string | undefined {
  try {
    const inside = root === "/" ? "/" : `${realpathSync(root)}/`;
    const real = realpathSync(join(root, path));
    // A pipe would be waited for, and a device may have no end.
    return real.startsWith(inside) && statSync(real).isFile() ? readFileSync(real, "utf8") : undefined;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === undefined) throw e;
    return undefined;
  }
}

export const covers = (above: string, path: string): boolean =>
  path === above || path.startsWith(above === "/" ? above : `${above}/`);
export const exists = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;
