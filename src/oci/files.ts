import { readFileSync } from "node:fs";

/** A file of the kernel's, or of a state directory; `undefined` where there is none. */
export function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR") return undefined;
    throw e;
  }
}
