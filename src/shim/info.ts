import { writeSync } from "node:fs";
import { create, toBinary } from "@bufbuild/protobuf";
import { features } from "../oci/features.ts";
import { RuntimeInfoSchema } from "./protocol/task_pb.ts";

/** The name of the type in containerd's registry; its values are JSON. */
const FEATURES = "types.containerd.io/opencontainers/runtime-spec/1/features/Features";

/** `-info`: what containerd 2 asks before it offers user namespaces and mapped mounts to a kubelet. */
export function info(version: string): number {
  const value = new TextEncoder().encode(JSON.stringify(features()));
  const answer = create(RuntimeInfoSchema, {
    name: "io.containerd.caisson.v2",
    version: { version },
    features: { typeUrl: FEATURES, value },
  });
  writeSync(1, toBinary(RuntimeInfoSchema, answer));
  return 0;
}
