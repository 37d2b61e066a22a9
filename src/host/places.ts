import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Where state (in memory, gone at boot: of containers, pods, addresses in use) and data (logs and kept changes of
 * containers, definitions of networks) are. `CAISSON_ROOT` puts all of it elsewhere.
 */
export type Places = Readonly<Record<"scratch" | "state" | "pods" | "leases" | "data" | "networks", string>>;

function bases(): { run: string; lib: string; scratch?: string } {
  const { CAISSON_ROOT: root, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: data } = process.env;
  if (root) return { run: join(root, "state"), lib: join(root, "data"), scratch: root };
  const uid = process.geteuid?.() ?? 0;
  if (uid === 0) return { run: "/run/caisson", lib: "/var/lib/caisson" };
  return {
    run: runtime ? join(runtime, "caisson") : `/tmp/caisson-${uid}`,
    lib: join(data ?? join(homedir(), ".local/share"), "caisson"),
  };
}

export function places(): Places {
  const { run, lib, scratch = run } = bases();
  return {
    // Searched by a container's own root, who may not look into what is below.
    scratch,
    state: join(run, "containers"),
    pods: join(run, "pods"),
    leases: join(run, "networks"),
    data: join(lib, "containers"),
    networks: join(lib, "networks"),
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
