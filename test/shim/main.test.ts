import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { RuntimeInfoSchema } from "../../src/shim/protocol/task_pb.ts";

/** The file under the name that containerd finds it by. */
function shim(...words: string[]) {
  const at = mkdtempSync(join(tmpdir(), "caisson-shim-"));
  const file = join(at, "containerd-shim-caisson-v2");
  try {
    symlinkSync(join(import.meta.dir, "../../dist/caisson-oci"), file);
    return spawnSync(file, words, { cwd: at });
  } finally {
    rmSync(at, { recursive: true });
  }
}

test("-info tells containerd what the runtime can do", () => {
  const answer = fromBinary(RuntimeInfoSchema, new Uint8Array(shim("-info").stdout));
  expect(answer).toMatchObject({ name: "io.containerd.caisson.v2", version: { version: "0.1.0" } });
  const features = JSON.parse(new TextDecoder().decode(answer.features?.value));
  expect(features.linux.mountExtensions.idmap.enabled).toBe(true);
  expect(features.ociVersionMax).toMatch(/^1\./);
});

test("what containerd would not say: an error that names it", () => {
  expect(String(shim("-v").stdout)).toBe("containerd-shim-caisson-v2 0.1.0\n");
  for (const [words, text] of [
    [["-namespace", "x", "start"], "-id: required, but missing"],
    [["-id", "x", "start"], "-namespace: required, but missing"],
    [["-namespace", "x", "-id", "y", "dance"], '"dance": start and delete are'],
    [["-nonsense"], "nonsense"],
  ] as const) {
    const r = shim(...words);
    expect(r.status).toBe(1);
    expect(String(r.stderr)).toContain(text);
  }
});
