import { lstatSync } from "node:fs";
import { dirname, join } from "node:path";
import { exists, resolveInRoot, textInRoot } from "../host/in-root.ts";

export const HOSTS_FILE = "/etc/hosts";

/** The text of /etc/hosts of a root filesystem, if it has one, and where that path leads in it. */
export type RootHosts = { readonly text: string | undefined; readonly path: string };

const MOST = 16;
const seen = new Map<string, RootHosts & { readonly stamp: string }>();

/** What changes when the file does; a link may lead elsewhere in the root than it does here. */
function stampOf(path: string): string | undefined {
  try {
    const s = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    return s?.isFile() ? `${s.dev} ${s.ino} ${s.size} ${s.mtimeNs} ${s.ctimeNs}` : undefined;
  } catch {
    // What cannot be looked at is none, and its path is for the start to find wrong.
    return undefined;
  }
}

/** Whether it certainly has none: where there is no link, nothing leads elsewhere. */
function hasNone(root: string): boolean {
  try {
    const etc = lstatSync(join(root, dirname(HOSTS_FILE)), { throwIfNoEntry: false });
    if (etc?.isDirectory()) return !exists(join(root, HOSTS_FILE));
    return etc === undefined;
  } catch {
    return false;
  }
}

/** Read again when it has changed: to read it takes as long as all else that is prepared for a container. */
export function hostsOf(root: string): RootHosts {
  const stamp = stampOf(join(root, HOSTS_FILE));
  const known = seen.get(root);
  if (stamp !== undefined && known?.stamp === stamp) return known;
  if (stamp === undefined && hasNone(root)) return { text: undefined, path: HOSTS_FILE };
  const found = { text: textInRoot(root, HOSTS_FILE), path: resolveInRoot(root, HOSTS_FILE) };
  if (stamp === undefined) return found;
  if (seen.size >= MOST) seen.clear();
  seen.set(root, { ...found, stamp });
  return found;
}
