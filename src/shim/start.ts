import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { create, toBinary } from "@bufbuild/protobuf";
import { put } from "../host/output.ts";
import { type Served, shimDirectory, socketOf } from "./places.ts";
import { ReserveRequestSchema } from "./protocol/task_pb.ts";
import { tell } from "./reservations.ts";

const TIMEOUT_MS = 10_000;

/** Starts one that serves, in a session of its own. Resolves once it does, or has found another that does. */
async function startServing(self: readonly string[], served: Served, directory: string): Promise<void> {
  const log = openSync(join(directory, "log"), "a", 0o600);
  const [file = "", ...words] = self;
  const child = spawn(file, [...words, "serve", served.namespace, served.address], {
    stdio: ["ignore", "pipe", log],
    cwd: "/",
    detached: true,
  });
  const said = child.stdout as Readable;
  const failed = once(child, "error").then(([e]) => Promise.reject(e as Error));
  failed.catch(() => {});
  await Promise.race([once(said, "data"), once(child, "exit"), failed]);
  said.destroy();
  child.unref();
}

/** `start`: prints where the shim of this container listens. */
export async function start(
  self: readonly string[],
  served: Served,
  o: { readonly id: string; readonly bundle: string; readonly publish: string },
): Promise<number> {
  const directory = shimDirectory(served);
  const socket = socketOf(directory);
  const payload = toBinary(ReserveRequestSchema, create(ReserveRequestSchema, o));
  const until = Date.now() + TIMEOUT_MS;
  // From then on the one that serves does not go away.
  while (!(await tell(socket, "Reserve", payload, TIMEOUT_MS))) {
    if (Date.now() > until) throw new Error(`nobody serves at ${socket}; see ${directory}/log`);
    await startServing(self, served, directory);
  }
  // containerd finds its shims again by this file when it is started anew.
  writeFileSync(join(o.bundle, "address"), `unix://${socket}`, { mode: 0o600 });
  put(1, `unix://${socket}`);
  return 0;
}
