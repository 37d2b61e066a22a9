import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clear, rootfs, runtimeNames, runtimes, sh, workplace } from "./machine.ts";

const at = workplace("buildah");
const env = { CONTAINERS_CONF: join(at, "containers.conf"), BUILDAH_ISOLATION: "oci" };
const buildah = ["buildah", "--root", join(at, "root"), "--runroot", join(at, "run"), "--storage-driver", "overlay"];
const context = join(at, "context");

beforeAll(() => {
  writeFileSync(env.CONTAINERS_CONF, '[containers]\ndefault_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]\n');
  mkdirSync(context);
  sh(["tar", "-C", rootfs(at), "-cf", join(context, "box.tar"), "."]);
});
afterAll(() => clear(at));

for (const name of runtimeNames)
  describe(`buildah with ${name}`, () => {
    const runtime = ["--runtime", runtimes[name]];

    test("a build of several steps", () => {
      writeFileSync(
        join(context, "Dockerfile"),
        "FROM scratch\nADD box.tar /\nRUN echo one > /one\nWORKDIR /data\nRUN test -e /one && pwd > /two && id -u >> /two\nUSER 1000\nRUN id -u > /tmp/three\nRUN cat /two /tmp/three\n",
      );
      const limits = ["--ulimit", "nofile=1024:2048", "--ulimit", "nproc=1024:2048", "--network", "none"];
      const built = sh([...buildah, "bud", ...runtime, ...limits, "--no-cache", "-t", `built-${name}`, context], {
        env,
      });
      expect(built).toMatchObject({ code: 0 });
      expect(built.out + built.err).not.toContain("capability");
      expect(built.out).toContain("/data\n0\n1000\n");
    });

    test("run: exit code, standard input, a mount", () => {
      const made = sh([...buildah, "from", `built-${name}`], { env });
      expect(made).toMatchObject({ code: 0 });
      const box = made.out.trim();
      const run = (...words: string[]) => [...buildah, "run", ...runtime, ...words];
      expect(sh(run(box, "--", "sh", "-c", "exit 6"), { env }).code).toBe(6);
      expect(sh(run(box, "--", "cat"), { env, stdin: "through\n" }).out).toBe("through\n");
      expect(sh(run("-v", `${context}:/data:ro`, box, "--", "ls", "/data"), { env }).out).toContain("box.tar");
      expect(sh([...buildah, "rm", box], { env }).code).toBe(0);
    });
  });
