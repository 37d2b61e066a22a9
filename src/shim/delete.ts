import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { remove } from "../oci/delete.ts";
import { load } from "../oci/state.ts";
import { launcher } from "../program/launcher.ts";
import { runtimeRoot, type Served, shimDirectory, socketOf, TASK_FILE } from "./places.ts";
import { DeleteResponseSchema, WhichSchema } from "./protocol/task_pb.ts";
import { unmountRoot } from "./rootfs.ts";
import { RESERVATIONS } from "./service.ts";
import { globalOf } from "./task.ts";
import { Client } from "./ttrpc/client.ts";

const KILLED = 137;
const TIMEOUT_MS = 5000;

function rootOf(bundle: string, namespace: string): string {
  try {
    return (JSON.parse(readFileSync(join(bundle, TASK_FILE), "utf8")) as { root: string }).root;
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "ENOENT") return runtimeRoot(namespace);
    throw e;
  }
}

/** The one that serves, if there is one, need not wait for it. */
async function forget(served: Served, id: string): Promise<void> {
  const client = await Client.connect(socketOf(shimDirectory(served))).catch(() => undefined);
  if (!client) return;
  await client
    .call(RESERVATIONS, "Forget", toBinary(WhichSchema, create(WhichSchema, { id })), TIMEOUT_MS)
    .finally(() => client.close());
}

/** `delete`: containerd has lost the shim, or could not create; what is left of the container goes. */
export async function cleanUp(served: Served, id: string, bundle: string): Promise<number> {
  const g = globalOf(rootOf(bundle, served.namespace));
  let pid = 0;
  try {
    pid = load(g.root, id).init?.pid ?? 0;
  } catch {
    // It was not created.
  }
  await remove(g, id, true);
  await unmountRoot(join(bundle, "rootfs"));
  await forget(served, id);
  const response = create(DeleteResponseSchema, { pid, exitStatus: KILLED, exitedAt: timestampNow() });
  writeSync(1, toBinary(DeleteResponseSchema, response));
  launcher().close();
  return 0;
}
