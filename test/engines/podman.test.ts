import { afterAll, beforeAll, describe, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cases, type Engine } from "./cases.ts";
import { clear, clearGroups, rootfs, runtimeNames, runtimes, sh, workplace } from "./machine.ts";

const at = workplace("podman");
const env = { CONTAINERS_CONF: join(at, "containers.conf") };
const podman = [
  "podman",
  "--root",
  join(at, "root"),
  "--runroot",
  join(at, "run"),
  "--storage-driver",
  process.env["CAISSON_STORAGE"] ?? "overlay",
];

beforeAll(() => {
  // The default limits are above what a machine may allow (CAP_SYS_RESOURCE).
  writeFileSync(
    env.CONTAINERS_CONF,
    '[containers]\ndefault_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
  );
  const tar = join(at, "box.tar");
  sh(["tar", "-C", rootfs(at), "-cf", tar, "."]);
  const made = sh([...podman, "import", tar, "box"], { env });
  if (made.code !== 0) throw new Error(made.err);
});
afterAll(() => {
  sh([...podman, "rm", "-fa"], { env });
  clear(at);
  clearGroups("libpod_parent");
});

for (const runtime of runtimeNames)
  describe(`podman with ${runtime}`, () => {
    const e: Engine = {
      name: "podman",
      at,
      env,
      words: (command, ...args) => [...podman, "--runtime", runtimes[runtime], command, ...args],
    };
    for (const c of cases)
      test(c.name, async () => {
        await c.run(e);
      });
  });
