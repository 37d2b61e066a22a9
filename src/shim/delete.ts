import { writeSync } from "node:fs";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { readJson } from "../host/files.ts";
import { remove } from "../oci/delete.ts";
import { load } from "../oci/state.ts";
import { launcher } from "../program/launcher.ts";
import { globalOf } from "./global.ts";
import { runtimeRoot, type Served, shimDirectory, socketOf, TASK_FILE } from "./places.ts";
import { DeleteResponseSchema, WhichSchema } from "./protocol/task_pb.ts";
import { tell } from "./reservations.ts";
import { unmountRoot } from "./rootfs.ts";

const KILLED = 137;
const TIMEOUT_MS = 5000;

/** `delete`: containerd has lost the shim, or could not create; what is left of the container goes. */
export async function cleanUp(served: Served, id: string, bundle: string): Promise<number> {
  const noted = readJson<{ root: string }>(join(bundle, TASK_FILE));
  const g = globalOf(noted?.root ?? runtimeRoot(served.namespace));
  let pid = 0;
  try {
    pid = load(g.root, id).init?.pid ?? 0;
  } catch {
    // It was not created.
  }
  await remove(g, id, true);
  await unmountRoot(join(bundle, "rootfs"));
  // The one that serves, if there is one, need not wait for it.
  const which = toBinary(WhichSchema, create(WhichSchema, { id }));
  await tell(socketOf(shimDirectory(served)), "Forget", which, TIMEOUT_MS);
  const response = create(DeleteResponseSchema, { pid, exitStatus: KILLED, exitedAt: timestampNow() });
  writeSync(1, toBinary(DeleteResponseSchema, response));
  launcher().close();
  return 0;
}
