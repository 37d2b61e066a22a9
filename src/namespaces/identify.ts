import { readlinkSync, statSync } from "node:fs";
import { resolve } from "node:path";
import type { NamespaceKind } from "../compile/spec.ts";
import { exactText } from "../host/files.ts";
import { parseMountinfo } from "../host/mountinfo.ts";
import { codeOf } from "../values/code-of.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { kindOfProcName } from "./kinds.ts";

/** Which namespace a file is: "net:[4026531840]" in /proc/PID/ns, and as the root of a bind mount of nsfs. */
export type Identity = { readonly kind: NamespaceKind; readonly inode: number };

function parse(text: string): Identity | undefined {
  const [, name = "", inode] = /^(\w+):\[(\d+)\]$/.exec(text) ?? [];
  // A process's children may be in other ones: pid_for_children is of the kind pid, and links to "pid:[…]".
  const kind = kindOfProcName(name);
  return kind && { kind, inode: Number(inode) };
}

const linkOf = (path: string): string | undefined => {
  try {
    return readlinkSync(path);
  } catch (e) {
    const code = codeOf(e);
    if (code === "EINVAL") return undefined;
    throw e;
  }
};

/** The namespace at a path, or undefined if there is something else. Throws what the file system says. */
export function identify(path: string): Identity | undefined {
  statSync(path);
  const link = linkOf(path);
  if (link !== undefined) return parse(link);
  const at = resolve(path);
  const mounts = parseMountinfo(exactText("/proc/self/mountinfo"));
  return parse(mounts.filter((m) => m.point === at && m.type === "nsfs").at(-1)?.root ?? "");
}

/** Refuses a path that is no namespace of this kind, before anything is touched. */
export function checkNamespace(field: string, path: string, kind: NamespaceKind): void {
  let found: Identity | undefined;
  try {
    found = identify(path);
  } catch (e) {
    throw new InvalidOptionError(field, path, `there: ${codeOf(e)}`);
  }
  if (found?.kind !== kind)
    throw new InvalidOptionError(field, path, `a ${kind} namespace${found ? `: it is a ${found.kind} namespace` : ""}`);
}
