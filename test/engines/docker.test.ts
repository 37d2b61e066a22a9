import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cases, type Engine } from "./cases.ts";
import { Docker } from "./docker.ts";
import { runtimeNames, runtimes, sh, until } from "./machine.ts";

for (const runtime of runtimeNames)
  describe(`docker with ${runtime}`, () => {
    const d = new Docker({ path: runtimes[runtime] }, "cgroupfs", "/caisson-docker-test");
    beforeAll(() => d.up(), 60_000);
    afterAll(() => d.down(), 60_000);
    const e: Engine = { name: "docker", at: d.at, words: (command, ...args) => [...d.words, command, ...args] };
    for (const c of cases)
      test(c.name, async () => {
        await c.run(e);
      });

    test("a healthcheck", async () => {
      const health = ["--health-cmd", "test -e /tmp/well", "--health-interval", "1s", "--health-retries", "1"];
      sh(e.words("run", "-d", "--name", "ill", ...health, "box", "sleep", "1000"));
      const status = () => sh(e.words("inspect", "ill", "--format", "{{.State.Health.Status}}")).out.trim();
      await until("the first check", () => status() === "unhealthy");
      sh(e.words("exec", "ill", "touch", "/tmp/well"));
      await until("the next check", () => status() === "healthy");
      expect(sh(e.words("rm", "-f", "ill")).code).toBe(0);
    });

    test("a service of a swarm: replicas with limits, more of them, none", async () => {
      const swarm = (...words: string[]) => sh([...d.words, ...words]);
      const made = swarm("swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:2377");
      expect(made).toMatchObject({ code: 0 });
      const running = () => swarm("ps", "-q", "--filter", "status=running").out.split("\n").filter(Boolean);
      try {
        const options = [
          "--detach",
          "--no-resolve-image",
          "--network",
          "host",
          "--limit-memory",
          "32m",
          "--replicas",
          "2",
        ];
        expect(swarm("service", "create", ...options, "--name", "web", "box", "sleep", "1000")).toMatchObject({
          code: 0,
        });
        await until("two replicas", () => running().length === 2);
        const [first = ""] = running();
        const format = "{{.HostConfig.Memory}} {{.HostConfig.Runtime}}";
        expect(swarm("inspect", first, "--format", format).out).toBe(`${32 << 20} tested\n`);
        expect(swarm("service", "scale", "--detach", "web=4").code).toBe(0);
        await until("four replicas", () => running().length === 4);
        // One that is killed is replaced.
        expect(swarm("kill", first).code).toBe(0);
        await until("another one", () => running().length === 4 && !running().includes(first));
        expect(swarm("service", "rm", "web").code).toBe(0);
        await until("none", () => running().length === 0, 40_000);
      } finally {
        swarm("swarm", "leave", "--force");
      }
    });

    test("a build of several steps", () => {
      const context = join(d.at, "context");
      mkdirSync(context, { recursive: true });
      writeFileSync(
        join(context, "Dockerfile"),
        'FROM box\nRUN echo one > /one\nCOPY Dockerfile /two\nRUN test -e /one && test -e /two && id -u > /three\nCMD ["cat", "/three"]\n',
      );
      const built = sh(e.words("build", "-t", "built", context), { env: { DOCKER_BUILDKIT: "0" } });
      expect(built).toMatchObject({ code: 0 });
      expect(sh(e.words("run", "--rm", "--network", "none", "built")).out).toBe("0\n");
    });
  });
