/** An engine in a container of ours: it makes groups, mounts and namespaces of its own, and runs a container in them. */
import { afterAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sh } from "../helpers/command.ts";

const at = mkdtempSync(join(tmpdir(), "caisson-nested-engine-"));
afterAll(() => rmSync(at, { recursive: true }));

test("podman in a container runs a container", async () => {
  mkdirSync(join(at, "root/bin"), { recursive: true });
  copyFileSync("/bin/busybox", join(at, "root/bin/busybox"));
  for (const name of ["sh", "id", "hostname"]) symlinkSync("busybox", join(at, "root/bin", name));
  execFileSync("tar", ["-C", join(at, "root"), "-cf", join(at, "image.tar"), "."]);
  const conf = '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n';
  writeFileSync(join(at, "containers.conf"), conf);
  const podman = "podman --storage-driver vfs --cgroup-manager cgroupfs";
  const script = [
    `export CONTAINERS_CONF=${at}/containers.conf`,
    `${podman} import ${at}/image.tar inner >/dev/null 2>&1`,
    `${podman} run --rm --network none --hostname innermost inner sh -c "hostname; id -u; exit 7"`,
  ].join("; ");
  const own = ["--profile", "privileged", "--cgroups", "delegate", "--tmpfs", "/var/lib/containers", "--workdir", "/"];
  const r = await sh("run", ...own, "--", "sh", "-c", script);
  expect([r.code, r.out, r.err]).toEqual([7, "innermost\n0\n", ""]);
});
