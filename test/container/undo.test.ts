import { expect, test } from "bun:test";
import { ControlGroup, openContainer, run } from "../../src/index.ts";
import { rounds } from "../helpers/emulated.ts";
import { isRoot, leftovers, settled } from "../helpers/machine.ts";
import { eachStepFails } from "../helpers/undo.ts";

test.skipIf(!isRoot)(
  "each step of a start fails in turn, and nothing is left",
  async () => {
    const options = { memory: "64M", pidsLimit: 10, ulimits: { nofile: 64 }, clock: { monotonic: 1 } };
    expect(await eachStepFails(options)).toBeGreaterThan(rounds(150));
  },
  120_000,
);

test.skipIf(!isRoot)("each step that keeps something fails in turn, and nothing is kept", async () => {
  const kept = { labels: /name|place|state|lock|log|layer|changes|view/ };
  expect(await eachStepFails({ keep: true }, kept)).toBeGreaterThan(rounds(20));
});

test.skipIf(!isRoot)("one that was born, and that nobody heard of, ends before its groups go", async () => {
  // It is not there by its own end: it lasts for longer than a busy group is waited for.
  const born = { labels: /^(wait for the one that entered|find the container)$/, command: ["sleep", "1"] };
  expect(await eachStepFails({ memory: "64M", clock: { monotonic: 1 } }, born)).toBe(2);
});

test.skipIf(!isRoot)(
  "each step that maps ids fails in turn, and nothing is left",
  async () => {
    const options = { namespaces: { user: "auto" }, volumes: { "/mnt": "/etc" } } as const;
    expect(await eachStepFails(options, { labels: /ids|root|user|assembler|holder|mounted|layers/ })).toBeGreaterThan(
      rounds(30),
    );
  },
  120_000,
);

test.skipIf(!isRoot)(
  "each step that is about groups fails in turn in a group that was chosen, and the group is left alone",
  async () => {
    const parent = await ControlGroup.create(`undo-${process.pid}`, { pids: { max: 100 }, cpuset: { cpus: "0" } });
    try {
      const options = { cgroupParent: parent.name, memory: "64M" };
      expect(await eachStepFails(options, { labels: /group|cpuset|memory|cgroup/ })).toBeGreaterThan(rounds(5));
      expect(parent.children()).toEqual([]);
      expect((await parent.limits()).pids?.max).toBe(100);
    } finally {
      await parent.remove();
    }
    expect(ControlGroup.open(parent.name)).rejects.toThrow("there is no control group");
  },
  120_000,
);

test.skipIf(!isRoot)("a caller that is killed leaves nothing", async () => {
  await run(["true"]);
  const before = await settled();
  const code = `import { run } from "${import.meta.dir}/../../src/index.ts"; await run(["sleep", "60"], { memory: "64M", name: "orphan" });`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdout: "ignore", stderr: "ignore" });
  for (let i = 0; i < 1000 && leftovers().groups.length === before.groups.length; i++) await Bun.sleep(20);
  expect(leftovers().groups.length).toBeGreaterThan(before.groups.length);
  child.kill("SIGKILL");
  await child.exited;
  for (let i = 0; i < 1000 && leftovers().groups.length > before.groups.length; i++) await Bun.sleep(20);
  expect(await settled()).toEqual(before);
});

test.skipIf(!isRoot)("a detached container survives its creator, and is found again by name", async () => {
  await run(["true"]);
  const before = await settled();
  const code = `import { container } from "${import.meta.dir}/../../src/index.ts";
    const box = await container({ name: "survivor", detached: true }); await box.run(["sh", "-c", "echo mine > /tmp/note"]);`;
  const child = Bun.spawn([process.execPath, "-e", code], { stdout: "inherit", stderr: "inherit" });
  expect(await child.exited).toBe(0);
  const box = openContainer("survivor");
  expect((await box.run(["cat", "/tmp/note"])).stdout).toBe("mine\n");
  await box.dispose();
  expect(await settled()).toEqual(before);
});
