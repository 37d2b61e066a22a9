import { createHash } from "node:crypto";
import { join } from "node:path";
import { ensureDirectory, places } from "../host/places.ts";

/**
 * One shim serves all containers of a containerd's namespace: who asks for one is who is served. Where it listens is in a
 * directory that only root may search, since whoever can connect can start containers (CVE-2020-15257 was such a socket).
 */
export type Served = { readonly namespace: string; readonly address: string };

const NAME_DIGITS = 16;

export function shimDirectory({ namespace, address }: Served): string {
  const hash = createHash("sha256").update(`${address}\0${namespace}`).digest("hex");
  return ensureDirectory(join(places().scratch, "shims", hash.slice(0, NAME_DIGITS)));
}

export const socketOf = (directory: string): string => join(directory, "socket");

/** Where the runtime's state of a namespace's containers is. */
export const runtimeRoot = (namespace: string): string => join(places().scratch, "containerd", namespace);

/** What the bundle keeps of a task, for `delete`: which may have to do without the shim. */
export const TASK_FILE = "caisson.json";
