import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { ControlGroup, container, run } from "../../src/index.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
describe.skipIf(why !== "")(`containers in a control group${why && ` (skipped: ${why})`}`, () => {
  const parent = `parent-${process.pid}`;
  const name = `in-parent-${process.pid}`;
  const within = ["--cgroup-parent", parent];
  const tree = async () => (await sh("group", "tree", parent)).out;
  let group: ControlGroup;

  beforeAll(async () => {
    group = await ControlGroup.create(parent, {
      memory: { max: "100M" },
      pids: { max: 50 },
      cpuset: { cpus: "0" },
      rlimits: { nofile: [100, 200] },
    });
  });
  afterAll(async () => {
    await group.remove();
  });

  test("are within its limits, together with their own", async () => {
    const killed = await sh("run", ...within, "--", "tail", "/dev/zero");
    expect(killed).toMatchObject({ code: 137, err: expect.stringContaining("out of memory") });
    const own = await sh("run", ...within, "-m", "20M", "--", "tail", "/dev/zero");
    expect(own).toMatchObject({ code: 137, err: expect.stringContaining("out of memory") });
    const asked = "grep Cpus_allowed_list /proc/self/status; ulimit -Sn; ulimit -Hn";
    expect((await sh("run", ...within, "--", "sh", "-c", asked)).out).toBe("Cpus_allowed_list:\t0\n100\n200\n");
    const lower = await run(["sh", "-c", "ulimit -Sn; ulimit -Hn"], {
      cgroupParent: parent,
      ulimits: { nofile: [50, 500] },
    });
    expect(lower.stdout).toBe("50\n200\n");
    expect(await tree()).toBe(`${parent}\n`);
  });

  test("are found there: paused, counted, limited, and entered", async () => {
    const started = await sh("run", "-d", "--name", name, ...within, "--", "sleep", "1000");
    expect(started).toEqual({ code: 0, out: `${name}\n`, err: "" });
    try {
      expect(await tree()).toBe(`${parent}\n  ${name}\n`);
      expect(group.processes({ recursive: true }).length).toBeGreaterThan(0);
      await group.freeze();
      for (let i = 0; i < 2; i++)
        expect((await sh("exec", name, "true")).err).toContain(`"caisson group thaw ${parent}" lets it go on`);
      expect((await sh("ps")).out).toMatch(new RegExp(`^${name} +paused `, "m"));
      expect((await sh("run", ...within, "--", "true")).err).toContain("is frozen");
      await group.thaw();
      expect((await sh("pause", name)).code).toBe(0);
      expect((await sh("ps")).out).toMatch(new RegExp(`^${name} +paused `, "m"));
      expect((await sh("unpause", name)).code).toBe(0);
      for (let i = 0; i < 4; i++) {
        const entered = await sh("exec", name, "sh", "-c", "cat /proc/self/cgroup");
        expect(entered.code).toBe(0);
        expect(entered.out).not.toContain(parent);
      }
      await group.freeze();
      expect((await sh("exec", name, "sh", "-c", "cat /proc/self/cgroup")).code).toBe(125);
      await group.thaw();
      // As the host sees it.
      const [inside] = group.children();
      expect(inside?.name).toBe(`${parent}/${name}`);
      const before = inside?.processes().length ?? 0;
      expect((await sh("exec", "-d", name, "sleep", "1000")).code).toBe(0);
      expect(inside?.processes().length).toBe(before + 1);
      expect((await sh("update", "--pids-limit", "9", name)).code).toBe(0);
      expect((await inside?.limits())?.pids?.max).toBe(9);
      const rows = (await sh("stats", "--no-stream")).out.split("\n").filter((line) => line.includes(name));
      expect(rows.map((row) => row.split(/ +/)[0])).toEqual([name]);
    } finally {
      expect((await sh("rm", "-f", name)).code).toBe(0);
    }
    expect(await tree()).toBe(`${parent}\n`);
  });

  test("one that manages groups of its own, and one of the library", async () => {
    const script =
      "cat /proc/self/cgroup | wc -l; mkdir $(find /sys/fs/cgroup -maxdepth 2 -name pids.max -printf '%h\n' -quit)/own && echo made";
    const r = await run(["sh", "-c", script], { cgroupParent: parent, cgroups: "delegate" });
    expect([r.exitCode, r.stdout.split("\n")[1], r.stderr]).toEqual([0, "made", ""]);
    const box = await container({ cgroupParent: parent, memory: "50M" });
    try {
      expect((await box.run(["tail", "/dev/zero"])).signal).toBe("SIGKILL");
      expect(await tree()).toBe(`${parent}\n  ${box.name}\n`);
    } finally {
      await box.dispose();
    }
    expect(await tree()).toBe(`${parent}\n`);
  });

  test("one that is not there, or cannot be, is refused", async () => {
    expect((await sh("run", "--cgroup-parent", "no-such-group", "--", "true")).err).toBe(
      "caisson: there is no control group no-such-group\n",
    );
    expect((await sh("run", "--cgroup-parent", "../up", "--", "true")).err).toContain("is not a name such as");
    expect(run(["true"], { cgroupParent: "" })).rejects.toThrow("is not a name such as");
  });
});
