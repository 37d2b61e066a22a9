import { describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ContainerOptions, createPod, removePod, run } from "../../src/index.ts";
import { makeRoot } from "../conformance/bundle.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const own = readFileSync("/etc/hosts", "utf8");
const withOwn = (more: string) => `${own}${own === "" || own.endsWith("\n") ? "" : "\n"}${more}127.0.0.1\tbox\n`;
const hostname = "box";

describe.skipIf(why !== "")(`names of hosts${why && ` (skipped: ${why})`}`, () => {
  test("are added to those of the root, which keeps its own", async () => {
    const hosts = { db: "10.0.0.2", "a.example.test": "fd00::1" };
    const r = await run(["sh", "-c", "cat /etc/hosts; getent hosts db"], { hosts, hostname });
    expect(r.stdout).toBe(`${withOwn("10.0.0.2\tdb\nfd00::1\ta.example.test\n")}10.0.0.2        db\n`);
    expect(readFileSync("/etc/hosts", "utf8")).toBe(own);
  });
  test("from the command line, by Docker's words", async () => {
    const words = [
      "--add-host",
      "db:10.0.0.2",
      "--add-host",
      "six:[fd00::1]",
      "--add-host",
      "seven:fd00::2",
      "--hostname",
      "box",
    ];
    const r = await sh("run", ...words, "--", "cat", "/etc/hosts");
    expect(r).toEqual({ code: 0, out: withOwn("10.0.0.2\tdb\nfd00::1\tsix\nfd00::2\tseven\n"), err: "" });
  });
  test("in a root that has no such file, or a link that leads out of it", async () => {
    const at = mkdtempSync(join(tmpdir(), "caisson-hosts-"));
    try {
      const root = makeRoot(join(at, "root"));
      const hosts = { db: "10.0.0.2", box: "10.0.0.3" };
      const listed = async () => (await run(["cat", "/etc/hosts"], { rootfs: root, hosts, hostname })).stdout;
      const localhost = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
      expect(await listed()).toBe(`${localhost}10.0.0.2\tdb\n10.0.0.3\tbox\n`);
      rmSync(join(root, "etc/hosts"), { force: true });
      mkdirSync(join(at, "root/etc"), { recursive: true });
      writeFileSync(join(at, "secret"), "of the host\n");
      symlinkSync("../../secret", join(root, "etc/hosts"));
      expect(await listed()).toBe(`${localhost}10.0.0.2\tdb\n10.0.0.3\tbox\n`);
      expect(readFileSync(join(at, "secret"), "utf8")).toBe("of the host\n");
    } finally {
      rmSync(at, { recursive: true });
    }
  });
  test("what is no name, no address, or of no use is refused", async () => {
    const refused = async (hosts: Record<string, string>, said: string, more = {}) =>
      expect(run(["true"], { hosts, ...more })).rejects.toThrow(said);
    await refused({ "a b": "10.0.0.2" }, 'hosts: "a b" is not a host name');
    await refused({ "a\n1.1.1.1 bank": "10.0.0.2" }, "is not a host name");
    await refused({ db: "10.0.0" }, 'hosts.db: "10.0.0" is not an IP address, or host-gateway');
    await refused({ db: "host-gateway" }, "hosts.db");
    await refused({ db: "10.0.0.2" }, "mount namespace", { namespaces: { mount: "host" } });
    expect((await sh("run", "--add-host", "db", "--", "true")).err).toContain("--add-host");
  });
});

describe.skipIf(why !== "")(`its own name${why && ` (skipped: ${why})`}`, () => {
  const asked = ["sh", "-c", 'getent hosts "$(hostname)"; hostname'];
  const found = async (o: ContainerOptions = {}) => (await run(asked, o)).stdout.replace(/ +/g, " ");

  test("has an address without a network, with the host's, and in a pod", async () => {
    expect(await found({ hostname })).toBe("127.0.0.1 box\nbox\n");
    expect(await found({ hostname, network: "host" })).toBe("127.0.0.1 box\nbox\n");
    const [, name, again] = /^127\.0\.0\.1 (\w+)\n(\w+)\n$/.exec(await found()) ?? [];
    expect(again).toBe(name as string);
    const pod = await createPod({ hostname: "pod-box" });
    try {
      expect(await found({ pod: pod.name })).toBe("127.0.0.1 pod-box\npod-box\n");
    } finally {
      await removePod(pod.name);
    }
  });
  test("is that of each run of a program that is kept", async () => {
    for (let i = 0; i < 4; i++) {
      const { out } = await sh("run", "--", ...asked);
      const [address, name] = out.replace(/ +/g, " ").split("\n");
      expect(address).toBe(`127.0.0.1 ${name}`);
    }
  });
  test("leaves what knows it already, another's file, and a directory without one as they are", async () => {
    const mounted = ["sh", "-c", "grep -c ' /etc/hosts ' /proc/self/mountinfo || true"];
    expect((await run(mounted, { hostname: "localhost" })).stdout).toBe("0\n");
    expect((await run(mounted, { hostname })).stdout).toBe("1\n");
    const at = mkdtempSync(join(tmpdir(), "caisson-hosts-"));
    try {
      const root = makeRoot(join(at, "root"));
      rmSync(join(root, "etc/hosts"), { force: true });
      expect((await run(["true"], { rootfs: root })).exitCode).toBe(0);
      expect(existsSync(join(root, "etc/hosts"))).toBe(false);
      expect((await run(["cat", "/etc/hosts"], { rootfs: { overlay: root }, hostname })).stdout).toEndWith("\tbox\n");
      mkdirSync(join(root, "etc"), { recursive: true });
      execFileSync("mkfifo", [join(root, "etc/hosts")]);
      expect((await run(["true"], { rootfs: { overlay: root } })).exitCode).toBe(0);
    } finally {
      rmSync(at, { recursive: true });
    }
  });
});
