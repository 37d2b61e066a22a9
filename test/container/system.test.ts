import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { layout } from "../../src/cgroups/look.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const SYSTEMD = "/lib/systemd/systemd";
const missing = !existsSync(SYSTEMD)
  ? "systemd is not installed"
  : layout().v1["memory"] !== undefined
    ? "the systemd of a container needs control groups v2 alone"
    : undefined;
const why = missing === undefined ? "" : ` (skipped: ${missing})`;

describe.skipIf(!isRoot || missing !== undefined)(`a whole system, whose first process is systemd${why}`, () => {
  const name = `system-${process.pid}`;
  const inside = (...words: string[]) => sh("exec", name, ...words);

  beforeAll(async () => {
    const words = ["--profile", "system", "--network", "none", "--name", name, "--memory", "512M"];
    expect((await sh("run", "-d", ...words, "--", SYSTEMD, "--unit=basic.target")).code).toBe(0);
  });
  afterAll(async () => {
    await sh("rm", "--force", name);
  });

  test("comes up, and says what it is in", async () => {
    for (let i = 0; (await inside("systemctl", "is-active", "basic.target")).out !== "active\n" && i < 600; i++)
      await Bun.sleep(100);
    expect(await inside("systemctl", "is-active", "basic.target")).toEqual({ code: 0, out: "active\n", err: "" });
    expect((await inside("systemd-detect-virt", "--container")).out).toBe("container-other\n");
  });

  test("has services with limits of their own, within the container's", async () => {
    const hog = ["systemd-run", "--quiet", "--wait", "--property", "MemoryMax=16M", "--", "tail", "/dev/zero"];
    expect((await inside(...hog)).code).not.toBe(0);
    const where = ["systemd-run", "--quiet", "--wait", "--pipe", "--unit", "asked", "--", "cat", "/proc/self/cgroup"];
    expect((await inside(...where)).out).toBe("0::/system.slice/asked.service\n");
  });

  test("is stopped as such a system is", async () => {
    expect((await sh("stop", "--time", "60s", name)).code).toBe(0);
    expect((await sh("wait", name)).out).toBe("0\n");
  });
});
