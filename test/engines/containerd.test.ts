import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  clear,
  clearGroups,
  type Result,
  rootfs,
  runtimeNames,
  runtimes,
  sh,
  start,
  until,
  workplace,
} from "./machine.ts";

const at = workplace("containerd");
const socket = join(at, "socket");
let daemon: ChildProcess | undefined;
const ctr = (...words: string[]): Result => sh(["ctr", "-a", socket, ...words]);
const root = join(at, "rootfs");

beforeAll(async () => {
  rootfs(at);
  writeFileSync(
    join(at, "config.toml"),
    `version = 2\nroot = "${at}/root"\nstate = "${at}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${socket}"\n`,
  );
  const log = openSync(join(at, "log"), "w");
  daemon = spawn("containerd", ["--config", join(at, "config.toml")], { stdio: ["ignore", log, log] });
  await until("containerd", () => ctr("version").code === 0);
}, 60_000);
afterAll(async () => {
  for (const id of ctr("tasks", "ls", "-q").out.split("\n").filter(Boolean)) ctr("tasks", "rm", "-f", id);
  daemon?.kill("SIGTERM");
  await until("the end of containerd", () => daemon?.exitCode !== null || daemon.signalCode !== null);
  clear(at);
  clearGroups("default");
}, 60_000);

for (const name of runtimeNames)
  describe(`containerd with ${name}`, () => {
    const chosen = ["--runc-binary", runtimes[name]];
    const words = (id: string, options: string[], command: string[]) => [
      ...["ctr", "-a", socket, "run", "--rm", ...chosen, ...options, "--rootfs", root, id, ...command],
    ];
    const run = (id: string, ...command: string[]) => sh(words(id, [], command));

    test("run, and its exit code", () => {
      expect(run("a", "/bin/echo", "hello")).toMatchObject({ code: 0, out: "hello\n" });
      expect(run("b", "/bin/sh", "-c", "exit 7").code).toBe(7);
    });
    test("a command that is not there", () => {
      const r = run("c", "nothing-here");
      expect(r.code).not.toBe(0);
      expect(r.err).toContain("executable file not found");
    });
    test("a memory limit, and none for devices that are not allowed", () => {
      const limited = sh(words("d", ["--memory-limit", String(32 << 20)], ["/bin/sh", "-c", "tail /dev/zero"]));
      expect(limited.code).toBe(137);
    });
    test("detached: tasks, exec, pause, resume, metrics, kill, delete", async () => {
      expect(ctr("run", "-d", ...chosen, "--rootfs", root, "long", "/bin/sleep", "1000")).toMatchObject({ code: 0 });
      const status = () =>
        ctr("tasks", "ls")
          .out.split("\n")
          .find((l) => l.startsWith("long"));
      expect(status()).toContain("RUNNING");
      expect(ctr("tasks", "exec", "--exec-id", "x", "long", "/bin/id", "-u")).toMatchObject({ code: 0, out: "0\n" });
      expect(ctr("tasks", "exec", "--exec-id", "y", "long", "/bin/sh", "-c", "exit 4").code).toBe(4);
      expect(ctr("tasks", "pause", "long").code).toBe(0);
      expect(status()).toContain("PAUSED");
      expect(ctr("tasks", "resume", "long").code).toBe(0);
      expect(ctr("tasks", "ps", "long").out).toMatch(/\d+/);
      expect(ctr("tasks", "metrics", "long")).toMatchObject({ code: 0 });
      expect(ctr("tasks", "kill", "-s", "KILL", "long").code).toBe(0);
      await until("its end", () => status()?.includes("STOPPED") === true);
      expect(ctr("tasks", "delete", "long").code).toBe(0);
      expect(ctr("containers", "delete", "long").code).toBe(0);
    });
    test("20 at once", async () => {
      const all = Array.from({ length: 20 }, (_, i) => start(words(`n${i}`, [], ["/bin/sh", "-c", `exit ${i}`])));
      expect((await Promise.all(all)).map((r) => r.code)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    });
  });
