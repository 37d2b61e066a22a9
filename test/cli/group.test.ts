import { afterAll, expect, test } from "bun:test";
import { mkdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { layout } from "../../src/cgroups/look.ts";
import { ControlGroup, runIn } from "../../src/index.ts";
import { launcher } from "../../src/program/launcher.ts";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot, settled } from "../helpers/machine.ts";

const root = test.skipIf(!isRoot);
// It stays for as long as this process does, and is none of what a test leaves behind.
launcher();
const before = await settled();
afterAll(async () => {
  expect(await settled()).toEqual(before);
});
const name = `cli-${process.pid}`;

root("the life of a group", async () => {
  try {
    expect(
      await sh("group", "create", name, "--memory", "64M", "--limit", "memory.low=10M", "--ulimit", "nofile=90"),
    ).toEqual({
      code: 0,
      out: "",
      err: "",
    });
    expect((await sh("group", "create", name)).err).toContain("is there already");
    expect((await sh("group", "create", `${name}/inner`)).code).toBe(0);
    expect(await sh("group", "run", "--in", `${name}/inner`, "--", "sh", "-c", "ulimit -n; exit 4")).toMatchObject({
      code: 4,
      out: "90\n",
    });
    expect((await sh("group", "set", name, "--memory", "32M", "--pids-limit", "50")).code).toBe(0);
    const shown = JSON.parse((await sh("group", "show", name)).out);
    expect(shown.limits).toMatchObject({ memory: { max: 32 * 2 ** 20, low: 10 * 2 ** 20 }, pids: { max: 50 } });
    expect(shown.groups).toEqual([`${name}/inner`]);
    const sleeper = Bun.spawn(["sleep", "60"]);
    expect((await sh("group", "add", name, String(sleeper.pid))).code).toBe(0);
    expect((await sh("group", "tree", "--processes", name)).out).toBe(`${name}\n  - sleep (${sleeper.pid})\n  inner\n`);
    expect((await sh("group", "freeze", name)).code).toBe(0);
    expect((await sh("group", "list")).out).toMatch(new RegExp(`${name} +frozen +1 `));
    expect((await sh("group", "thaw", name)).code).toBe(0);
    expect((await sh("group", "remove", name)).err).toContain("it has groups in it (inner)");
    expect((await sh("group", "kill", name)).code).toBe(0);
    expect(await sleeper.exited).toBe(137);
  } finally {
    expect((await sh("group", "remove", "--recursive", "--kill", name)).code).toBe(0);
  }
  expect((await sh("group", "show", name)).err).toContain("there is no control group");
});

root("a command in a group of its own, which goes with all that is in it", async () => {
  const r = await sh(
    "group",
    "run",
    "--memory",
    "64M",
    "--name",
    name,
    "--",
    "sh",
    "-c",
    "sleep 60 & grep -c caisson /proc/self/cgroup; exit 3",
  );
  expect(r.code).toBe(3);
  expect(await sh("group", "run", "--memory", "16M", "tail", "/dev/zero")).toEqual({
    code: 137,
    out: "",
    err: "caisson: killed: out of memory (--memory)\n",
  });
  expect((await sh("group", "run", "--timeout", "100ms", "sleep", "9")).err).toContain("--timeout was over");
  expect((await sh("group", "run", "nosuchcommand")).code).toBe(127);
  expect((await sh("group", "run", "--limit", "memory.most=3M", "true")).err).toContain("limits.memory");
});

root("a running container is paused, limited, watched and counted", async () => {
  try {
    await sh("run", "-d", "--name", name, "--", "sh", "-c", "while :; do :; done");
    expect((await sh("pause", name)).code).toBe(0);
    expect((await sh("ps")).out).toMatch(new RegExp(`${name} +paused`));
    expect((await sh("unpause", name)).code).toBe(0);
    expect((await sh("update", "--cpus", "0.2", "--pids-limit", "30", name)).code).toBe(0);
    const group = await ControlGroup.open(name);
    expect(await group.limits()).toMatchObject({ cpu: { max: 0.2 }, pids: { max: 30 } });
    expect((await sh("exec", name, "grep", "-c", `caisson-${name}`, "/proc/self/cgroup")).out).not.toBe("0\n");
    const [row] = JSON.parse((await sh("stats", "--no-stream", "--json", name)).out);
    expect(row).toMatchObject({ name, kind: "container", state: "running", processes: 1 });
    expect(row.cpu).toBeLessThan(0.6);
    const top = Bun.spawn([caisson, "top", "--json", "--interval", "200ms"], { stdout: "pipe" });
    const { value } = await top.stdout.getReader().read();
    expect(new TextDecoder().decode(value)).toContain(`"name":"${name}","kind":"container"`);
    top.kill("SIGINT");
    expect(await top.exited).toBe(0);
    const events = Bun.spawn([caisson, "events", name], { stdout: "pipe" });
    const reader = events.stdout.getReader();
    const first = reader.read();
    for (let frozen = false; !frozen; ) {
      await sh("pause", name);
      await sh("unpause", name);
      frozen = await Promise.race([first.then(() => true), Bun.sleep(50).then(() => false)]);
    }
    expect(new TextDecoder().decode((await first).value)).toContain(`{"container":"${name}","at":`);
    await sh("kill", name);
    expect(await events.exited).toBe(0);
  } finally {
    await sh("rm", "--force", name);
  }
});

root("containers in containers, three deep, each within its limits", async () => {
  const level = (memory: string, ...more: string[]) => [
    "run",
    "--cgroups",
    "delegate",
    "--cap-add",
    "ALL",
    "--memory",
    memory,
    ...more,
    "--",
  ];
  const file = layout().v1["memory"] === undefined ? "memory.max" : "memory/memory.limit_in_bytes";
  const deep = (last: string, ...command: string[]) =>
    sh(
      ...level("256M"),
      caisson,
      ...level("128M", "--rootfs", "/"),
      caisson,
      ...level(last, "--rootfs", "/"),
      ...command,
    );
  const directory = `/sys/fs/cgroup/${file.split("/").slice(0, -1).join("/")}/left-over`;
  expect(await deep("64M", "sh", "-c", `mkdir ${directory} && echo made`)).toEqual({ code: 0, out: "made\n", err: "" });
  const killed = "caisson: killed: out of memory (--memory)\n";
  // Only the innermost was over its limit, and only that one says so.
  expect(await deep("24M", "tail", "/dev/zero")).toEqual({ code: 137, out: "", err: killed });
  const raising = `echo ${2 ** 40} > /sys/fs/cgroup/${file}; exec tail /dev/zero`;
  expect((await sh(...level("24M"), "sh", "-c", raising)).code).toBe(137);
  const oom = await sh(...level("24M"), caisson, ...level("512M", "--rootfs", "/"), "tail", "/dev/zero");
  expect(oom.code).toBe(137);
});

const { v2, kind } = layout();
const missing = kind === "v2" ? undefined : "limits for unprivileged users need control groups v2";
const delegated = isRoot && missing === undefined && v2 ? test : test.skip;
delegated(
  `an unprivileged user has limits in a group that is delegated to it${missing ? ` (skipped: ${missing})` : ""}`,
  async () => {
    const uid = 12345;
    await using user = await ControlGroup.create(name, {}, { account: ["memory", "pids", "cpu"] });
    const session = await user.create("session");
    await user.delegate({ uid });
    await session.delegate({ uid });
    const become = [
      "setpriv",
      `--reuid=${uid}`,
      `--regid=${uid}`,
      "--clear-groups",
      "env",
      "-i",
      "HOME=/tmp",
      "PATH=/usr/bin:/bin",
    ];
    const run = [caisson, "run", "--memory", "32M", "--pids-limit", "20", "--"];
    const limits = await runIn(session, [...become, ...run, "sh", "-c", "cat /proc/self/cgroup; echo fine"], {
      workdir: "/tmp",
    });
    expect([limits.stderr, limits.stdout]).toEqual(["", "0::/\nfine\n"]);
    const oom = await runIn(session, [...become, ...run, "tail", "/dev/zero"], { workdir: "/tmp" });
    expect([oom.exitCode, oom.stderr]).toEqual([137, "caisson: killed: out of memory (--memory)\n"]);
  },
);

root(
  "names that a terminal would obey are shown as none: who is given a group names those below, and processes",
  async () => {
    const top = `${name}-names`;
    const group = await ControlGroup.create(top);
    const odd = group.directories.map((d) => join(d, "clear\x1b[2J"));
    try {
      for (const d of odd) mkdirSync(d);
      const sleeper = Bun.spawn(["perl", "-e", '$0 = "red\x1b[31m"; sleep 60']);
      await group.add(sleeper.pid);
      const tree = () => sh("group", "tree", "--processes", top);
      while (!(await tree()).out.includes("red")) await Bun.sleep(10);
      expect(await tree()).toEqual({ code: 0, err: "", out: `${top}\n  - red?[31m (${sleeper.pid})\n  clear?[2J\n` });
      sleeper.kill();
      await sleeper.exited;
      expect((await sh("group", "remove", top)).err).toContain("clear?[2J");
    } finally {
      for (const d of odd) rmdirSync(d);
      await group.remove();
    }
  },
);
