import { rmSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { Global } from "../oci/context.ts";
import { checkpoint } from "../oci/criu/checkpoint.ts";
import { optionsOf } from "./options.ts";
import { CheckpointOptionsSchema } from "./protocol/options_pb.ts";

/**
 * Writes the processes of a task down, as files in the directory that containerd has made for them. It goes on, unless its
 * end is asked for; what is left of it is containerd's to delete.
 */
export async function checkpointTask(
  g: Global,
  task: { readonly id: string; readonly bundle: string },
  r: { readonly path: string; readonly options?: Any | undefined },
): Promise<void> {
  const o = optionsOf(r.options, CheckpointOptionsSchema) ?? create(CheckpointOptionsSchema);
  const work = o.workPath || join(task.bundle, "criu-work");
  await checkpoint(g, task.id, {
    ...{ images: r.path, work, leaveRunning: !o.exit, keep: true },
    ...{ tcpEstablished: o.openTcp, extUnixSk: o.externalUnixSockets },
    ...{ shellJob: o.terminal, fileLocks: o.fileLocks, emptyNs: o.emptyNamespaces },
    ...{ manageCgroups: o.cgroupsMode || "soft", autoDedup: false, lazyPages: false, preDump: false },
    ...{ parent: undefined, statusFd: undefined, pageServer: undefined },
  });
  // What criu said is of use where it failed, or to who asked for it.
  if (!o.workPath) rmSync(work, { recursive: true, force: true });
}
