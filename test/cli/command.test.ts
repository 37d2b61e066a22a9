import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRoot } from "../conformance/bundle.ts";
import { sh } from "../helpers/command.ts";
import { isRoot, settled, zombies } from "../helpers/machine.ts";

/** Until a file in a container has a text, and no longer than a test may take. */
async function settledText(name: string, path: string, text: string): Promise<void> {
  while ((await sh("exec", name, "cat", path)).out !== text) await Bun.sleep(20);
}

const root = test.skipIf(!isRoot);
const before = await settled();
afterAll(async () => {
  expect(await settled()).toEqual(before);
});

root("run passes output and exit status through", async () => {
  expect(await sh("run", "--", "sh", "-c", "echo hi; echo no >&2; exit 7")).toEqual({
    code: 7,
    out: "hi\n",
    err: "no\n",
  });
  expect((await sh("run", "sh", "-c", "kill -TERM $$; exit 3")).code).toBe(3);
  expect((await sh("run", "--init", "sh", "-c", "kill -KILL $$")).code).toBe(137);
});

root("variables and limits may have names that every object of JavaScript has", async () => {
  const given = ["--env", "__proto__=1", "--env", "constructor=2", "--env", "toString"];
  const { code, out } = await sh("run", ...given, "--", "env");
  expect(code).toBe(0);
  expect(out.split("\n").filter((l) => /^(__proto__|constructor|toString)=/.test(l))).toEqual([
    "__proto__=1",
    "constructor=2",
  ]);
  for (const limit of ["memory.__proto__=1", "memory.constructor=1"])
    expect(await sh("run", "--limit", limit, "--", "true")).toMatchObject({
      code: 125,
      out: "",
      err: expect.stringContaining("is not a limit"),
    });
  expect(await sh("help", "constructor")).toMatchObject({ code: 125, out: "" });
});

root("a volume on a link of the root filesystem that leads to nothing is where it leads", async () => {
  const at = mkdtempSync(join(tmpdir(), "caisson-link-"));
  const rootfs = makeRoot(at);
  symlinkSync("../run/none/resolv.conf", join(rootfs, "etc/resolv.conf"));
  writeFileSync(join(at, "file"), "bound\n");
  const words = ["--rootfs", rootfs, "--volume", `${join(at, "file")}:/etc/resolv.conf`, "--", "cat"];
  for (const path of ["/etc/resolv.conf", "/run/none/resolv.conf"])
    expect(await sh("run", ...words, path)).toEqual({ code: 0, out: "bound\n", err: "" });
  rmSync(at, { recursive: true });
});

root("exit statuses 125, 126 and 127, each with one sentence", async () => {
  expect(await sh("run", "nosuchcommand")).toEqual({
    code: 127,
    out: "",
    err: "caisson: execute nosuchcommand: ENOENT (command not found in the container)\n",
  });
  expect((await sh("run", "/etc/passwd")).code).toBe(126);
  expect((await sh("run", "--memory", "12Q", "true")).code).toBe(125);
  expect((await sh("run", "--bogus", "true")).err).toContain('"--bogus" is not an option');
  expect((await sh("frobnicate")).err).toContain('COMMAND: "frobnicate" is not a command');
  expect((await sh("run")).code).toBe(125);
});

root("what is not understood is said as it was given", async () => {
  const said = async (...words: string[]) => (await sh("run", ...words, "--", "true")).err;
  expect(await said("--ulimit", "nofile=many")).toContain('--ulimit: "nofile=many" is not');
  expect(await said("--ulimit", "nofile=1:2:3")).toContain('--ulimit: "nofile=1:2:3" is not');
  expect(await said("--user", "1:2:3")).toContain('user: "1:2:3" is not');
  expect(await said("--cpuset-cpus", "4095")).toMatch(/^caisson: set cpuset.cpus = 4095: E[A-Z]+ \(.* has fewer/);
});

root("an end that was not the command's own choice is explained", async () => {
  expect(await sh("run", "--timeout", "100ms", "sleep", "9")).toEqual({
    code: 137,
    out: "",
    err: "caisson: killed: the time given by --timeout was over\n",
  });
  const oom = await sh("run", "--memory", "16M", "tail", "/dev/zero");
  expect([oom.code, oom.err]).toEqual([137, "caisson: killed: out of memory (--memory)\n"]);
});

root("the life of a detached container", async () => {
  const name = `life-${process.pid}`;
  try {
    expect(await sh("run", "-d", "--name", name, "--", "sh", "-c", "echo started; sleep 60")).toEqual({
      code: 0,
      out: `${name}\n`,
      err: "",
    });
    expect((await sh("ps")).out).toContain(name);
    expect((await sh("run", "--name", name, "true")).err).toContain("a container of this name is there already");
    expect((await sh("exec", name, "sh", "-c", "hostname; exit 5")).out).toBe(`${name}\n`);
    expect((await sh("exec", "-w", "/tmp", "-e", "A=1", name, "sh", "-c", "pwd; echo $A")).out).toBe("/tmp\n1\n");
    const before = zombies();
    expect((await sh("exec", name, "nosuchcommand")).code).toBe(127);
    // One would keep the container from ending for as long as nobody reaps it.
    expect(zombies().filter((pid) => !before.includes(pid))).toEqual([]);
    const left = ["sh", "-c", "hostname > /tmp/left; read line; exec sleep 100"];
    expect(await sh("exec", "--detach", name, ...left)).toEqual({ code: 0, out: "", err: "" });
    await settledText(name, "/tmp/left", `${name}\n`);
    expect((await sh("exec", name, "pgrep", "-x", "sleep", "-c")).out).toBe("2\n");
    expect(await sh("exec", "-d", name, "nosuchcommand")).toMatchObject({ code: 127, out: "" });
    expect((await sh("exec", "-dt", name, "true")).err).toContain("--tty");
    expect((await sh("logs", name)).out).toBe("started\n");
    expect(JSON.parse((await sh("inspect", name)).out)[0]).toMatchObject({ name, status: "running" });
    expect((await sh("rm", name)).err).toContain("--force kills it first");
    expect((await sh("stop", "--time", "200ms", name)).code).toBe(0);
    expect((await sh("wait", name)).out).toBe("143\n");
    expect((await sh("ps", "--all", "--json")).out).toContain('"status":"exited"');
  } finally {
    expect((await sh("rm", "--force", name)).code).toBe(0);
  }
  expect((await sh("inspect", name)).err).toContain("no container is named");
});

root("of several names that begin so none is meant; --force passes over what is not there", async () => {
  const names = ["one", "two"].map((n) => `begin-${process.pid}-${n}`);
  for (const name of names) expect((await sh("run", "-d", "--name", name, "--", "sleep", "100")).code).toBe(0);
  try {
    const { code, err } = await sh("rm", "-f", `begin-${process.pid}`);
    expect([code, err]).toEqual([
      125,
      `caisson: several containers have a name that begins with "begin-${process.pid}": ${names.join(", ")}\n`,
    ]);
    expect((await sh("inspect", ...names)).code).toBe(0);
  } finally {
    expect(await sh("rm", "-f", "no-such-container", ...names)).toEqual({ code: 0, out: "", err: "" });
  }
  expect((await sh("rm", ...names)).err).toContain("no container is named");
});

root("the first process of --init, and who looks after a container, are named for what they are", async () => {
  const name = `named-${process.pid}`;
  for (let i = 0; i < 4; i++) expect((await sh("run", "--init", "--", "cat", "/proc/1/comm")).out).toBe("caisson\n");
  expect((await sh("run", "-d", "--name", name, "--", "sleep", "100")).code).toBe(0);
  try {
    const [{ pid }] = JSON.parse((await sh("inspect", name)).out);
    const parent = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1];
    expect(readFileSync(`/proc/${parent}/comm`, "utf8")).toBe("caisson\n");
  } finally {
    await sh("rm", "-f", name);
  }
});

root("a detached start that fails says so", async () => {
  const r = await sh("run", "-d", "nosuchcommand");
  expect([r.code, r.out]).toEqual([127, ""]);
  expect(r.err).toContain("command not found");
});

root("diff lists what a kept run changed", async () => {
  const name = `diff-${process.pid}`;
  await sh(
    "run",
    "--keep",
    "--name",
    name,
    "sh",
    "-c",
    "echo a > /root/new-file; rm /etc/issue; echo b >> /etc/passwd",
  );
  expect((await sh("diff", name)).out).toBe("D /etc/issue\nC /etc/passwd\nA /root/new-file\n");
  expect((await sh("rm", name)).code).toBe(0);
});

root("explain makes no system call of the program, and compile makes a file of it", async () => {
  const explained = await sh("explain", "--", "echo", "hi");
  expect(explained.out).toMatch(/pivot_root\("\.", "\."\)[\s\S]*execve\("\/usr\/bin\/echo", \["echo", "hi"\]/);
  expect(JSON.parse((await sh("explain", "--spec", "--memory", "64M", "true")).out).linux.resources).toEqual({
    memory: { limit: 67108864, swap: 67108864 },
  });
  const file = `/tmp/caisson-compiled-${process.pid}`;
  try {
    expect((await sh("compile", "-o", file, "--", "echo", "alone")).code).toBe(0);
    expect(await new Response(Bun.spawn([file], { env: {} }).stdout).text()).toBe("alone\n");
  } finally {
    await Bun.file(file).delete();
  }
});

root("doctor looks, and help helps", async () => {
  expect((await sh("doctor")).out).toMatch(/yes\s+mnt namespace/);
  for (const c of ["run", "exec", "ps", "doctor"]) expect((await sh(c, "--help")).out).toContain(`caisson ${c}`);
  expect((await sh("completion", "bash")).out).toContain("complete -o default -F _caisson caisson");
});

test.skipIf(!isRoot)("--stop-signal and --stop-timeout are what stop does, unless it is told otherwise", async () => {
  const name = `stopping-${process.pid}`;
  const script = "trap 'echo term' TERM; trap 'echo usr1; exit 3' USR1; while :; do sleep 0.02; done";
  const start = async (...words: string[]) => {
    const run = await sh("run", "-d", "--keep", "--name", name, ...words, "--", "sh", "-c", script);
    expect(run).toMatchObject({ code: 0, err: "" });
    await Bun.sleep(100);
  };
  const said = async () => {
    const [{ out }, { out: code }] = [await sh("logs", name), await sh("wait", name)];
    await sh("rm", name);
    return [out, code];
  };
  await start("--stop-signal", "USR1");
  expect((await sh("stop", name)).code).toBe(0);
  expect(await said()).toEqual(["usr1\n", "3\n"]);
  await start("--stop-timeout", "100ms");
  const began = Date.now();
  expect((await sh("stop", name)).code).toBe(0);
  expect(Date.now() - began).toBeLessThan(5000);
  expect(await said()).toEqual(["term\n", "137\n"]);
  await start("--stop-signal", "TERM", "--stop-timeout", "100ms");
  expect((await sh("stop", "--signal", "USR1", "--time", "9s", name)).code).toBe(0);
  expect(await said()).toEqual(["usr1\n", "3\n"]);
  expect((await sh("run", "--stop-signal", "NONE", "--", "true")).err).toContain("--stop-signal");
  expect((await sh("run", "--stop-timeout", "soon", "--", "true")).err).toContain("--stop-timeout");
});
