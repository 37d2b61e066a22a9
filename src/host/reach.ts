import { closeSync, openSync } from "node:fs";
import { O } from "../kernel/flags.ts";
import { fsPath } from "../values/bytes.ts";

/** Characters, each of which takes up to four bytes of PATH_MAX (4096). */
const LONGEST = 1000;

/**
 * A path for a call of node:fs, whatever it is made of: directories can be nested deeper than a path may be long, and
 * names need not be UTF-8. Whoever is given a control group, or a root filesystem, may do either. path_resolution(7)
 */
export function reach<T>(path: string, use: (path: string | Buffer) => T): T {
  const cut = path.length > LONGEST ? path.lastIndexOf("/", LONGEST) : 0;
  if (cut <= 0) return use(fsPath(path));
  const fd = openSync(fsPath(path.slice(0, cut)), O.PATH | O.DIRECTORY);
  try {
    return reach(`/proc/self/fd/${fd}${path.slice(cut)}`, use);
  } finally {
    closeSync(fd);
  }
}
