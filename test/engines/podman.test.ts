import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { whyNoCriu } from "../helpers/criu.ts";
import { cases, type Engine } from "./cases.ts";
import {
  CONTAINERS_CONF,
  clear,
  clearGroups,
  rootfs,
  runtimeNames,
  runtimes,
  sh,
  until,
  workplace,
} from "./machine.ts";

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
  writeFileSync(env.CONTAINERS_CONF, CONTAINERS_CONF);
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

const why = whyNoCriu();
for (const runtime of runtimeNames)
  test.skipIf(why !== "")(
    `podman with ${runtime}: checkpoint and restore, and under another name from an archive${why && ` (skipped: ${why})`}`,
    async () => {
      const call = (...words: string[]) => {
        const r = sh([...podman, "--runtime", runtimes[runtime], ...words], { env });
        if (r.code !== 0) throw new Error(`${words.join(" ")}: ${r.err}`);
        return r.out.trim();
      };
      const [one, two] = [`criu-${runtime}-1`, `criu-${runtime}-2`];
      const last = (name: string) => Number(call("logs", name).split("\n").pop());
      const count = "i=0; while true; do i=$((i+1)); echo $i; sleep 0.3; done";
      call("run", "-d", "--name", one, "--network", "none", "box", "sh", "-c", count);
      await until("the counter", () => last(one) > 2);
      call("container", "checkpoint", one);
      expect(call("inspect", "-f", "{{.State.Status}}", one)).toBe("exited");
      const reached = last(one);
      call("container", "restore", one);
      await until("the counter", () => last(one) > reached);
      expect(last(one)).toBeLessThan(reached + 50);
      expect(call("exec", one, "echo", "hello")).toBe("hello");
      const archive = join(at, `${runtime}.tar.gz`);
      call("container", "checkpoint", "--export", archive, "--leave-running", one);
      const then = last(one);
      call("rm", "-f", "-t", "0", one);
      call("container", "restore", "--import", archive, "--name", two);
      await until("the counter", () => last(two) > then);
      call("rm", "-f", "-t", "0", two);
      // With a terminal, of which podman's conmon holds the other end.
      const tty = `criu-${runtime}-tty`;
      call("run", "-dt", "--name", tty, "--network", "none", "box", "sh", "-c", count);
      const shown = () => Number(call("logs", tty).split("\n").pop());
      await until("the counter", () => shown() > 2);
      call("container", "checkpoint", tty);
      const seen = shown();
      call("container", "restore", tty);
      await until("the counter", () => shown() > seen);
      expect(shown()).toBeLessThan(seen + 50);
      call("rm", "-f", "-t", "0", tty);
    },
    180_000,
  );
