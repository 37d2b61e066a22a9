import { accessSync, constants, lstatSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { codeOf, isCode } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import { inUserNamespace } from "./facts.ts";

/**
 * Where state (in memory, gone at boot: of containers, pods, addresses in use) and data (logs and kept changes of
 * containers, definitions of networks) are. `CAISSON_ROOT` puts all of it elsewhere.
 */
export type Places = Readonly<Record<"scratch" | "state" | "pods" | "leases" | "data" | "networks", string>>;

type Bases = { readonly run: string; readonly lib: string; readonly scratch?: string };

/** Root of a user namespace has no more of the machine's /run than the user who made it. */
function mayUseRun(): boolean {
  if (!inUserNamespace()) return true;
  try {
    accessSync("/run", constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Where everybody may make what has our name: it is ours if nobody else may change it. In /tmp, whose directories are taken
 * away by their owners alone, it then stays so.
 */
function ownInTmp(uid: number): string {
  const path = `/tmp/caisson-${uid}`;
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (e) {
    if (!isCode(e, "EEXIST")) throw e;
  }
  const stat = lstatSync(path);
  if (!stat.isDirectory() || stat.uid !== uid || (stat.mode & OTHERS_MAY_WRITE) !== 0)
    throw new CaissonError(`${path}: somebody else made it, or may write to it (CAISSON_ROOT names another place)`);
  return path;
}
const OTHERS_MAY_WRITE = 0o022;

function bases(root: string | undefined, runtime: string | undefined, data: string | undefined, uid: number): Bases {
  if (root) return { run: join(root, "state"), lib: join(root, "data"), scratch: root };
  if (uid === 0 && mayUseRun()) return { run: "/run/caisson", lib: "/var/lib/caisson" };
  return {
    run: runtime ? join(runtime, "caisson") : ownInTmp(uid),
    lib: join(data ?? join(homedir(), ".local/share"), "caisson"),
  };
}

function placesIn({ run, lib, scratch = run }: Bases): Places {
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

let last: { readonly key: string; readonly places: Places } | undefined;

export function places(): Places {
  const { CAISSON_ROOT: root, XDG_RUNTIME_DIR: runtime, XDG_DATA_HOME: data } = process.env;
  const uid = process.geteuid?.() ?? 0;
  const key = `${root}\0${runtime}\0${data}\0${uid}`;
  if (last?.key !== key) last = { key, places: placesIn(bases(root, runtime, data, uid)) };
  return last.places;
}

const made = new Set<string>();

/** Makes a directory that only its owner may look into; asks the file system once per process. */
export function ensureDirectory(path: string): string {
  if (!made.has(path)) {
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 });
    } catch (e) {
      const code = codeOf(e);
      throw new CaissonError(`make the directory ${path}: ${code} (CAISSON_ROOT puts it elsewhere)`);
    }
    made.add(path);
  }
  return path;
}
