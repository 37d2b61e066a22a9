import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot, zombies } from "../helpers/machine.ts";
import { Bundle, isOurs, shell } from "./bundle.ts";

/** What is no sentence of the specification, but the command line that engines use. */
describe.skipIf(!isRoot)("the command line of engines: exec", () => {
  let b: Bundle;
  beforeAll(() => {
    b = new Bundle(["sleep", "1000"]);
    b.create();
    b.start();
  });
  afterAll(() => b[Symbol.dispose]());
  const exec = (...words: string[]) => b.call(["exec", ...words]);

  test("in the container's namespaces and root", () => {
    expect(exec(b.id, "cat", "/proc/1/cmdline").out).toBe("sleep\x001000\0");
    expect(exec(b.id, "cat", "/proc/sys/kernel/hostname").out).toBe("conformance\n");
  });
  test("exit code, standard input, output and error", () => {
    expect(exec(b.id, "sh", "-c", "exit 9").code).toBe(9);
    expect(b.call(["exec", b.id, "cat"], { stdin: "in\n" }).out).toBe("in\n");
    expect(exec(b.id, "sh", "-c", "echo o; echo e >&2")).toMatchObject({ out: "o\n", err: "e\n" });
  });
  test("options", () => {
    const r = exec("--cwd", "/tmp", "--env", "A=1", "--user", "7:8", b.id, "sh", "-c", "pwd; echo $A; id -u; id -g");
    expect(r.out).toBe("/tmp\n1\n7\n8\n");
  });
  test("--process takes all from a file", () => {
    const file = join(b.at, "process.json");
    const process = {
      args: shell("pwd; id -u; echo $B; grep NoNew /proc/self/status"),
      env: ["PATH=/bin", "B=c"],
      cwd: "/data",
      user: { uid: 5, gid: 5 },
    };
    writeFileSync(file, JSON.stringify({ ...process, noNewPrivileges: true }));
    expect(exec("--process", file, b.id).out).toBe("/data\n5\nc\nNoNewPrivs:\t1\n");
  });
  test("--process from a pipe, as <(…) of a shell gives it", () => {
    const process = JSON.stringify({ args: ["/bin/echo", "from a pipe"], cwd: "/" });
    const line = `"$@" --process <(printf '%s' '${process}') ${b.id}`;
    const p = spawnSync("bash", ["-c", line, "bash", ...b.words("exec")], { encoding: "utf8", timeout: 10_000 });
    expect(p).toMatchObject({ status: 0, stdout: "from a pipe\n" });
  });
  test("--detach with --pid-file", async () => {
    const file = join(b.at, "exec-pid");
    const p = Bun.spawn([
      ...["sh", "-c", 'exec "$@" >/dev/null 2>&1 </dev/null', "sh"],
      ...b.words("exec", "--detach", "--pid-file", file, b.id, "sleep", "999"),
    ]);
    expect(await p.exited).toBe(0);
    expect(readFileSync(`/proc/${readFileSync(file, "utf8")}/cmdline`, "utf8")).toBe("sleep\x00999\x00");
  });
  test("oom_score_adj, and capabilities, are the container's unless they are given", () => {
    using other = new Bundle(["sleep", "1000"], (s) => ({ ...s, process: { ...s.process, oomScoreAdj: 300 } }));
    other.create();
    other.start();
    const raised = (words: string[]) =>
      spawnSync("sh", ["-c", 'echo 50 > /proc/self/oom_score_adj; exec "$@"', "sh", ...other.words("exec", ...words)], {
        encoding: "utf8",
      }).stdout;
    const command = ["cat", "/proc/self/oom_score_adj"];
    expect(raised([other.id, ...command])).toBe("300\n");
    const file = join(other.at, "process.json");
    const given = { user: { uid: 0, gid: 0 }, args: command, env: ["PATH=/bin"], cwd: "/" };
    writeFileSync(file, JSON.stringify(given));
    expect(raised(["--process", file, other.id])).toBe("300\n");
    const bounding = (pid: string) => ["grep", "CapBnd", `/proc/${pid}/status`];
    const { out } = exec(b.id, ...bounding("1"));
    writeFileSync(file, JSON.stringify({ ...given, args: bounding("self") }));
    expect(exec("--process", file, b.id)).toMatchObject({ code: 0, out });
    writeFileSync(file, JSON.stringify({ ...given, oomScoreAdj: 400 }));
    expect(raised(["--process", file, other.id])).toBe("400\n");
  });
  test("what is wrong with exec itself has status 255", () => {
    expect(exec(b.id, "nothing-here").code).toBe(255);
    expect(exec("--cwd", "relative", b.id, "true").code).toBe(255);
    expect(exec("not-a-container", "true").code).toBe(255);
  });
  test.skipIf(!isOurs)("a command that cannot be executed is reaped: it would keep the container from ending", () => {
    const before = zombies();
    expect(exec(b.id, "nothing-here").code).toBe(255);
    expect(zombies().filter((pid) => !before.includes(pid))).toEqual([]);
  });
  test.skipIf(!existsSync("/sys/fs/cgroup/cpu"))("--cgroup CONTROLLERS:PATH on v1", () => {
    const groups = (text: string) =>
      new Map(
        text
          .trim()
          .split("\n")
          .map((l) => l.split(":").slice(1) as [string, string]),
      );
    const own = groups(readFileSync(`/proc/${b.state_().pid}/cgroup`, "utf8"));
    const below = `/sys/fs/cgroup/cpu${own.get("cpu")}/below`;
    mkdirSync(below);
    const r = exec("--cgroup", "cpu:below", b.id, "cat", "/proc/self/cgroup");
    rmdirSync(below);
    expect(r.code).toBe(0);
    for (const [name, path] of groups(r.out))
      expect(path).toBe(name === "cpu" ? `${own.get("cpu")}/below` : (own.get(name) ?? ""));
    expect(exec("--cgroup", "nothing:below", b.id, "true").code).toBe(255);
  });
  test("--cgroup leads to a group below the container's, and not out of it", () => {
    for (const path of ["..", "below/../..", "not-there"]) {
      const r = exec("--cgroup", path, b.id, "true");
      expect(r.code).not.toBe(0);
      expect(r.err).toContain(path.includes("..") ? "sub cgroup" : "not-there");
    }
  });
  test("HOME is that of the user, unless it is given", () => {
    const home = (...options: string[]) => exec(...options, b.id, "sh", "-c", "echo $HOME").out;
    expect(home()).toBe("/root\n");
    expect(home("--user", "1234")).toBe("/\n");
    expect(home("--env", "HOME=/data")).toBe("/data\n");
  });
  test("a capability that is unknown is told of, and left out", () => {
    const r = exec("--cap", "CAP_NOTHING", b.id, "echo", "went on");
    expect(r).toMatchObject({ code: 0, out: "went on\n" });
    expect(r.err).toContain("CAP_NOTHING");
  });
  test("it is in the container's control groups", () => {
    const own = exec(b.id, "cat", "/proc/self/cgroup").out;
    expect(own).toBe(readFileSync(`/proc/${b.state_().pid}/cgroup`, "utf8"));
  });
  test("ps, list and events know of it", () => {
    expect(b.call(["ps", "--format", "json", b.id]).out).toContain(String(b.state_().pid));
    expect(JSON.parse(b.call(["list", "--format", "json"]).out)).toMatchObject([{ id: b.id, status: "running" }]);
    expect(JSON.parse(b.call(["events", "--stats", b.id]).out)).toMatchObject({ type: "stats", id: b.id });
  });
  test("--preserve-fds hands descriptors through", () => {
    const file = join(b.at, "handed");
    writeFileSync(file, "through\n");
    const words = b.words("exec", "--preserve-fds", "1", b.id, "sh", "-c", "cat <&3");
    const p = Bun.spawnSync(["sh", "-c", `exec "$@" 3<${file}`, "sh", ...words]);
    expect({ out: p.stdout.toString(), err: p.stderr.toString() }).toEqual({ out: "through\n", err: "" });
  });
  test("--log in JSON has the error that standard error has", () => {
    const log = join(b.at, "log.json");
    Bun.spawnSync(b.words("--log", log, "--log-format", "json", "state", "no-such-container"));
    const line = JSON.parse(readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "") as Record<string, string>;
    expect(line).toMatchObject({ level: "error" });
    expect(line["msg"]).toContain("does not exist");
    expect(Number.isNaN(Date.parse(line["time"] ?? ""))).toBe(false);
  });
});
