import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Docker } from "../engines/docker.ts";
import { runtimes, sh } from "../engines/machine.ts";
import { without } from "./booted.ts";
import { root } from "./session.ts";

const { skip, why } = without("dockerd");

/** As Docker is where systemd runs a machine with control groups v2, unless it is told otherwise. */
describe.skipIf(skip)(`Docker where systemd makes the groups${why}`, () => {
  let docker: Docker;
  beforeAll(async () => {
    docker = new Docker({ path: runtimes.caisson }, "systemd", "caissontest.slice");
    await docker.up();
  }, 120_000);
  afterAll(() => docker.down(), 120_000);

  const ask = (...words: string[]) => sh([...docker.words, ...words]);
  const run = ["run", "--network", "none"];

  test("limits are those of a unit, hold when systemd reloads, are changed, and go with it", () => {
    const limits = ["--memory", "64m", "--pids-limit", "50", "--cpus", "0.5", "--cpuset-cpus", "0"];
    const id = ask(...run, "-d", "--name", "kept", ...limits, "box", "sleep", "1000").out.trim();
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const unit = `docker-${id}.scope`;
    const at = `/sys/fs/cgroup/caissontest.slice/${unit}`;
    const files = () =>
      ["memory.max", "pids.max", "cpu.max", "cpuset.cpus"].map((f) => readFileSync(join(at, f), "utf8").trim());
    const properties = ["MemoryMax", "TasksMax", "CPUQuotaPerSecUSec", "AllowedCPUs"];
    const show = () => properties.map((p) => root("systemctl", "show", "--value", "-p", p, unit).trim());
    const limited = [String(64 << 20), "50", "50000 100000", "0"];
    expect(files()).toEqual(limited);
    expect(show()).toEqual([String(64 << 20), "50", "500ms", "0"]);
    root("systemctl", "daemon-reload");
    expect(files()).toEqual(limited);
    expect(ask("pause", "kept").code).toBe(0);
    expect(ask("unpause", "kept").code).toBe(0);
    expect(ask("update", "--memory", "48m", "--memory-swap", "48m", "--cpus", "0.25", "kept")).toMatchObject({
      code: 0,
    });
    const changed = [String(48 << 20), "50", "25000 100000", "0"];
    expect(files()).toEqual(changed);
    root("systemctl", "daemon-reload");
    expect(files()).toEqual(changed);
    expect(ask("exec", "kept", "sh", "-c", "cat /proc/self/cgroup; exit 3")).toEqual({
      code: 3,
      out: "0::/\n",
      err: "",
    });
    expect(ask("rm", "-f", "kept").code).toBe(0);
    expect(existsSync(at)).toBe(false);
  }, 120_000);

  test("out of memory is told, and an exit code", () => {
    expect(ask(...run, "--rm", "--memory", "24m", "--memory-swap", "24m", "box", "tail", "/dev/zero").code).toBe(137);
    expect(ask(...run, "--rm", "box", "sh", "-c", "exit 7").code).toBe(7);
  }, 120_000);
});
