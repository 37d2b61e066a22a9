import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where state (in memory, gone at boot) and data (logs, kept changes) are. `CAISSON_ROOT` puts both elsewhere. */
export type Places = { readonly state: string; readonly data: string };

export function places(): Places {
  const { CAISSON_ROOT: root, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: data } = process.env;
  if (root) return { state: join(root, "state"), data: join(root, "data") };
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return { state: "/run/caisson", data: "/var/lib/caisson" };
  return {
    state: runtime ? join(runtime, "caisson") : `/tmp/caisson-${uid}`,
    data: join(data ?? join(homedir(), ".local/share"), "caisson"),
  };
}

const made = new Set<string>();

/** Makes a directory that only its owner may look into; asks the file system once per process. */
export function ensureDirectory(path: string): string {
  if (!made.has(path)) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    made.add(path);
  }
  return path;
}
