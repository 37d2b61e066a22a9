import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Containerd } from "./containerd.ts";
import {
  clear,
  clearGroups,
  makeImage,
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
const containerd = new Containerd(
  at,
  (socket) => `disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${socket}"\n`,
);
const { socket } = containerd;
const ctr = (...words: string[]): Result => sh(["ctr", "-a", socket, ...words]);
const root = join(at, "rootfs");
const SHIM = "io.containerd.caisson.v2";
const shims = () => containerd.processes("serve\0default\0");

beforeAll(async () => {
  rootfs(at);
  await containerd.start();
}, 60_000);
afterAll(async () => {
  for (const id of ctr("tasks", "ls", "-q").out.split("\n").filter(Boolean)) ctr("tasks", "rm", "-f", id);
  await containerd.stop();
  await until("the end of our shim", () => shims().length === 0);
  clear(at);
  clearGroups("default");
}, 60_000);

const choices: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(runtimeNames.map((name) => [name, ["--runc-binary", runtimes[name]]])),
  "our shim": ["--runtime", SHIM],
};
/** ctr in a terminal of its own. */
const inTerminal = (words: readonly string[], stdin = "") =>
  sh(["script", "-qec", `stty rows 33 cols 99; ${words.map((w) => `'${w}'`).join(" ")}`, "/dev/null"], { stdin });

for (const [name, chosen] of Object.entries(choices))
  describe(`containerd with ${name}`, () => {
    const words = (id: string, options: string[], command: string[]) => [
      ...["ctr", "-a", socket, "run", "--rm", ...chosen, ...options, "--rootfs", root, id, ...command],
    ];
    const run = (id: string, ...command: string[]) => sh(words(id, [], command));

    test("run, and its exit code", () => {
      expect(run("a", "/bin/echo", "hello")).toMatchObject({ code: 0, out: "hello\n" });
      expect(run("b", "/bin/sh", "-c", "exit 7").code).toBe(7);
    });
    test("standard error by itself", () => {
      const r = run("e", "/bin/sh", "-c", "echo out; echo err >&2");
      expect(r).toMatchObject({ out: "out\n", err: "err\n" });
    });
    test("a terminal, and its size", () => {
      const r = inTerminal(words("t", ["-t"], ["/bin/sh", "-c", "sleep 0.5; stty size; tty; exit 3"]));
      expect(r.out).toContain("33 99");
      expect(r.out).toContain("/dev/pts/0");
      expect(r.code).toBe(3);
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
      const metrics = ctr("tasks", "metrics", "long");
      expect(metrics.out).toMatch(/memory\.usage(_in_bytes)? +[1-9]/);
      expect(metrics.out).toMatch(/pids\.current +[1-9]/);
      expect(metrics.out).toMatch(/cpu(acct)?\.usage(_usec)? +[1-9]/);
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

describe("our shim", () => {
  const run = (...words: string[]) => ctr("run", "--runtime", SHIM, ...words);
  const status = (id: string) =>
    ctr("tasks", "ls")
      .out.split("\n")
      .find((l) => l.startsWith(`${id} `)) ?? "";
  const remove = (id: string) => {
    ctr("tasks", "rm", "-f", id);
    expect(ctr("containers", "rm", id).code).toBe(0);
  };

  test("one serves all containers, and ends after the last", async () => {
    for (const id of ["s1", "s2", "s3"]) expect(run("-d", "--rootfs", root, id, "/bin/sleep", "1000").code).toBe(0);
    expect(shims()).toHaveLength(1);
    for (const id of ["s1", "s2", "s3"]) remove(id);
    await until("the end of the shim", () => shims().length === 0);
  });
  // With the other shim ctr waits for ever: it has closed its end before anybody told it to say so.
  test("standard input through a pipe", () => {
    for (let i = 0; i < 5; i++) {
      const r = sh(["ctr", "-a", socket, "run", "--rm", "--runtime", SHIM, "--rootfs", root, "i", "/bin/cat"], {
        stdin: `given ${i}`,
      });
      expect(r).toMatchObject({ code: 0, out: `given ${i}` });
    }
  });
  test("a root filesystem of a snapshotter: mounted for the container, and gone after it", () => {
    expect(ctr("images", "import", makeImage(at, root, "local/busybox:1", ["/bin/sh"]))).toMatchObject({ code: 0 });
    for (const snapshotter of ["overlayfs", "native"]) {
      const words = ["run", "--rm", "--runtime", SHIM, "--snapshotter", snapshotter, "docker.io/local/busybox:1", "im"];
      expect(ctr(...words, "/bin/sh", "-c", "echo here; touch /made")).toMatchObject({ code: 0, out: "here\n" });
    }
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(`${at}/state`);
  });
  test("output to a file, and to a program", async () => {
    const script = ["/bin/sh", "-c", "echo out; echo err >&2"];
    const file = join(at, "out");
    expect(run("-d", "--log-uri", `file://${file}`, "--rootfs", root, "f", ...script).code).toBe(0);
    await until("the output", () => existsSync(file) && readFileSync(file, "utf8").includes("err"));
    remove("f");
    const logger = join(at, "logger");
    const logged = join(at, "logged");
    writeFileSync(
      logger,
      `#!/bin/bash\nexec >${logged}\necho "$1=$2 $CONTAINER_ID $CONTAINER_NAMESPACE"\nexec 5>&-\ncat <&3\ncat <&4\necho end\n`,
      { mode: 0o755 },
    );
    expect(run("-d", "--log-uri", `binary://${logger}?key=value`, "--rootfs", root, "l", ...script).code).toBe(0);
    await until("the logger", () => existsSync(logged) && readFileSync(logged, "utf8").includes("end"));
    expect(readFileSync(logged, "utf8")).toBe("key=value l default\nout\nerr\nend\n");
    remove("l");
  });
  test("containerd comes back: it finds its containers, and is told what it has missed", async () => {
    for (const id of ["r1", "r2"]) expect(run("-d", "--rootfs", root, id, "/bin/sleep", "1000").code).toBe(0);
    const pid = Number(status("r2").split(/ +/)[1]);
    await containerd.stop();
    process.kill(pid, "SIGKILL");
    await containerd.start();
    await until("the end of r2", () => status("r2").includes("STOPPED"));
    expect(status("r1")).toContain("RUNNING");
    expect(ctr("tasks", "exec", "--exec-id", "x", "r1", "/bin/echo", "still")).toMatchObject({ out: "still\n" });
    for (const id of ["r1", "r2"]) remove(id);
  });
  test("the shim is killed: containerd has its containers cleaned up", async () => {
    expect(run("-d", "--rootfs", root, "k", "/bin/sleep", "1000").code).toBe(0);
    const pid = status("k").split(/ +/)[1];
    for (const shim of shims()) process.kill(Number(shim), "SIGKILL");
    await until("the end of the container", () => !existsSync(`/proc/${pid}`));
    await until("that containerd knows", () => status("k") === "");
    expect(ctr("containers", "rm", "k").code).toBe(0);
    expect(readdirSync("/run/caisson/containerd/default")).toEqual([]);
  });
});
