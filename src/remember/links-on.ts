import { lstatSync, realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { lineage } from "../cgroups/names.ts";
import { linkTarget } from "../host/files.ts";
import { fsPath } from "../values/bytes.ts";
import { type Condition, linkNow } from "./conditions.ts";

/**
 * The links on the way to a path, which may lead elsewhere the next time. undefined: one of them leads to others, and those would have to be looked
 * at, too.
 */
export function linksOn(path: string): Condition[] | undefined {
  const links = lineage(path).filter((p) => lstatSync(fsPath(p)).isSymbolicLink());
  const real = (p: string) => realpathSync.native(fsPath(p));
  const isPlain = links.every((p) => resolve(real(dirname(p)), linkTarget(fsPath(p))) === real(p));
  return isPlain ? links.map(linkNow) : undefined;
}
