import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { ControlGroup, run, runIn } from "../../src/index.ts";
import { Bundle, linux, specOf } from "../conformance/bundle.ts";
import { caisson, sh } from "../helpers/command.ts";
import { without } from "./booted.ts";

const { skip, why } = without("systemctl");
const booted = test.skipIf(skip);

booted(`groups are in a scope that systemd delegates, and which it knows${why}`, async () => {
  const name = `systemd-${process.pid}`;
  await using group = await ControlGroup.create(name, { memory: { max: "64M" } });
  expect(group.directory).toBe(`/sys/fs/cgroup/system.slice/caisson.scope/caisson-${name}`);
  expect((await group.limits()).memory?.max).toBe(64 * 2 ** 20);
  const shown = spawnSync("systemctl", ["show", "-p", "Delegate", "-p", "ActiveState", "caisson.scope"]);
  expect(String(shown.stdout).trim().split("\n").sort()).toEqual(["ActiveState=active", "Delegate=yes"]);
  expect((await runIn(group, ["cat", "/proc/self/cgroup"])).stdout).toBe(
    `0::/system.slice/caisson.scope/caisson-${name}\n`,
  );
  const own = readFileSync("/proc/self/cgroup", "utf8");
  expect(own).not.toContain("caisson.scope");
});

booted(`a container's limits hold there, by the library and by the command${why}`, async () => {
  expect((await run(["tail", "/dev/zero"], { memory: "24M" })).oomKilled).toBe(true);
  expect((await sh("run", "--memory", "24M", "--", "tail", "/dev/zero")).code).toBe(137);
  expect((await sh("group", "run", "--memory", "24M", "--", "tail", "/dev/zero")).code).toBe(137);
});

booted(
  `when the machine shuts down nobody waits long for a container that listens to no signal; then there is another scope${why}`,
  async () => {
    const name = `stubborn-${process.pid}`;
    const stubborn = ["sh", "-c", "trap '' TERM; sleep 1000"];
    expect((await sh("run", "--detach", "--name", name, "--memory", "64M", "--", ...stubborn)).code).toBe(0);
    const systemctl = (...words: string[]) =>
      spawnSync("systemctl", [...words, "caisson.scope"], { encoding: "utf8" }).stdout;
    expect(systemctl("show", "-p", "TasksMax", "-p", "TimeoutStopUSec").trim().split("\n").sort()).toEqual([
      ...["TasksMax=infinity", "TimeoutStopUSec=10s"],
    ]);
    systemctl("stop");
    expect((await sh("ps", "--all")).out).toMatch(new RegExp(`^${name} +lost`, "m"));
    expect((await sh("rm", name)).code).toBe(0);
    expect((await run(["true"], { memory: "64M" })).exitCode).toBe(0);
  },
);

booted(`a detached container outlives the service that has started it, with limits and without${why}`, async () => {
  const names = [`outlives-${process.pid}`, `limited-${process.pid}`];
  const service = ["--quiet", "--wait", "--collect", `--setenv=CAISSON_ROOT=${process.env["CAISSON_ROOT"]}`, caisson];
  try {
    for (const [i, name] of names.entries()) {
      const limits = i === 0 ? [] : ["--memory", "64M"];
      const words = ["run", "--detach", "--name", name, ...limits, "--", "sleep", "1000"];
      expect(spawnSync("systemd-run", [...service, ...words], { encoding: "utf8" })).toMatchObject({ status: 0 });
      expect((await sh("ps")).out).toMatch(new RegExp(`^${name} +running`, "m"));
      const supervisor = (await sh("inspect", name)).out.match(/"supervisor": (\d+)/)?.[1];
      expect(readFileSync(`/proc/${supervisor}/cgroup`, "utf8")).toBe("0::/system.slice/caisson.scope/holder\n");
      const more = ["exec", "--detach", name, "--", "sleep", "2000"];
      expect(spawnSync("systemd-run", [...service, ...more], { encoding: "utf8" })).toMatchObject({ status: 0 });
      expect((await sh("exec", name, "sh", "-c", "cat /proc/[0-9]*/cmdline")).out).toContain("sleep\u00002000");
    }
  } finally {
    for (const name of names) await sh("rm", "--force", name);
  }
});

booted(`what is executed in a container is in its group, whose cgroup namespace shows no way there${why}`, async () => {
  const name = `kept-${process.pid}`;
  expect((await sh("run", "--detach", "--name", name, "--memory", "64M", "--", "sleep", "1000")).code).toBe(0);
  try {
    expect(await sh("exec", name, "cat", "/proc/self/cgroup")).toEqual({ code: 0, out: "0::/\n", err: "" });
    const group = await ControlGroup.open(name);
    const [first = 0] = group.processes();
    expect((await ControlGroup.of(first))?.name).toBe(name);
  } finally {
    await sh("rm", "--force", name);
  }
});

booted(`groups of others are named by their paths, wherever ours are${why}`, async () => {
  const own = await ControlGroup.of(process.pid);
  expect(own?.name).toBe("/system.slice/caisson-test.service");
  expect((await ControlGroup.open("/system.slice")).directory).toBe("/sys/fs/cgroup/system.slice");
  expect((await own?.usage())?.processes).toBeGreaterThan(0);
});

booted(`an engine's container is in a scope of its own, with its limits${why}`, () => {
  const path = { cgroupsPath: `system.slice:engine:${process.pid}` };
  using b = new Bundle(
    ["sleep", "1000"],
    linux({
      ...path,
      namespaces: [...(specOf([]).linux?.namespaces ?? []), { type: "cgroup" }],
      resources: { memory: { limit: 64 << 20 }, pids: { limit: 50 } },
    }),
  );
  const unit = `engine-${process.pid}.scope`;
  const made = spawnSync("sh", [
    "-c",
    'exec "$@" >/dev/null 2>/run/made </dev/null',
    "sh",
    ...b.words("--systemd-cgroup", "create", "--bundle", b.at, b.id),
  ]);
  expect({ code: made.status, said: readFileSync("/run/made", "utf8") }).toEqual({ code: 0, said: "" });
  expect(b.start().code).toBe(0);
  const group = `/sys/fs/cgroup/system.slice/${unit}`;
  expect(readFileSync(`/proc/${b.state_().pid}/cgroup`, "utf8")).toBe(`0::/system.slice/${unit}\n`);
  expect(readFileSync(`${group}/memory.max`, "utf8")).toBe(`${64 << 20}\n`);
  expect(String(spawnSync("systemctl", ["is-active", unit]).stdout)).toBe("active\n");
  expect(b.call(["exec", b.id, "cat", "/proc/self/cgroup"])).toEqual({ code: 0, out: "0::/\n", err: "" });
  const stats = JSON.parse(b.call(["events", "--stats", b.id]).out);
  expect(stats.data.memory.usage.limit).toBe(64 << 20);
  expect(b.call(["delete", "--force", b.id])).toMatchObject({ code: 0 });
  expect(existsSync(group)).toBe(false);
});
