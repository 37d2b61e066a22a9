import { lstatSync } from "node:fs";
import { join } from "node:path";
import { resolveInRoot, textInRoot } from "../host/in-root.ts";

export const HOSTS_FILE = "/etc/hosts";

/** The text of /etc/hosts of a root filesystem, if it has one, and where that path leads in it. */
export type RootHosts = { readonly text: string | undefined; readonly path: string };

const MOST = 16;
const seen = new Map<string, RootHosts & { readonly stamp: string }>();

/** What changes when the file does; a link may lead elsewhere in the root than it does here. */
function stampOf(path: string): string | undefined {
  try {
    const s = lstatSync(path, { bigint: true });
    return s.isFile() ? `${s.dev} ${s.ino} ${s.size} ${s.mtimeNs} ${s.ctimeNs}` : undefined;
  } catch {
    // What cannot be looked at is none, and its path is for the start to find wrong.
    return undefined;
  }
}

/** Read again when it has changed: to read it takes as long as all else that is prepared for a container. */
export function hostsOf(root: string): RootHosts {
  const stamp = stampOf(join(root, HOSTS_FILE));
  const known = seen.get(root);
  if (stamp !== undefined && known?.stamp === stamp) return known;
  const found = { text: textInRoot(root, HOSTS_FILE), path: resolveInRoot(root, HOSTS_FILE) };
  if (stamp === undefined) return found;
  if (seen.size >= MOST) seen.clear();
  seen.set(root, { ...found, stamp });
  return found;
}
