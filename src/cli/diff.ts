import { lstatSync, readdirSync, type Stats } from "node:fs";
import { join } from "node:path";
import { findContainer } from "../container/state.ts";
import { namesOf } from "../host/files.ts";
import { reach } from "../host/reach.ts";
import { isCode } from "../values/code-of.ts";
import { NameError } from "../values/errors.ts";
import { printName } from "./output.ts";

type Change = { readonly kind: "A" | "C" | "D"; readonly path: string };

function statOf(path: string): Stats | undefined {
  try {
    return reach(path, (p) => lstatSync(p, { throwIfNoEntry: false }));
  } catch (e) {
    if (isCode(e, "ENOENT", "ENOTDIR")) return undefined;
    throw e;
  }
}

/**
 * What an overlay's upper directory says (kernel: Documentation/filesystems/overlayfs.rst): a character device 0/0 is
 * a deletion; all else is an addition, or a change of what the layer below has at the same path.
 */
export function changes(upper: string, lower: string, at = "", found: Change[] = []): Change[] {
  for (const name of reach(`${upper}${at}`, namesOf).sort()) {
    const path = `${at}/${name}`;
    const stat = reach(`${upper}${path}`, (p) => lstatSync(p));
    const below = statOf(`${lower}${path}`);
    const deleted = stat.isCharacterDevice() && stat.rdev === 0;
    // A directory that is only on the way to a change is none itself.
    if (deleted) found.push({ kind: "D", path });
    else if (!below) found.push({ kind: "A", path });
    else if (!stat.isDirectory()) found.push({ kind: "C", path });
    if (stat.isDirectory()) changes(upper, lower, path, found);
  }
  return found;
}

export function diff(name: string): number {
  const { noted } = findContainer(name);
  const { keep } = noted;
  if (!keep) throw new NameError(name, `what ${noted.name} wrote was not kept: caisson run --keep keeps it`);
  for (const part of readdirSync(keep)) {
    const point = part === "root" ? (noted.spec.root?.path ?? "/") : part.replaceAll("%2F", "/").replaceAll("%25", "%");
    const prefix = part === "root" ? "" : point;
    for (const c of changes(join(keep, part, "diff"), point)) printName(`${c.kind} ${prefix}${c.path}`);
  }
  return 0;
}
