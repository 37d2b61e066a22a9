import { expect, test } from "bun:test";
import { join } from "node:path";
import { ControlGroup, spawnIn } from "../../src/index.ts";
import { isRoot } from "../helpers/machine.ts";

const src = join(import.meta.dir, "../../src");
const root = test.skipIf(!isRoot);

root("a group is thawed when whoever froze it for a moment is killed", async () => {
  await using group = await ControlGroup.create(`guard-${process.pid}`);
  const child = await spawnIn(group, ["sleep", "60"]);
  const script = `
    import { whileFrozen } from "${src}/cgroups/guard.ts";
    import { freezerOf } from "${src}/cgroups/freezer.ts";
    import { layout } from "${src}/cgroups/look.ts";
    await whileFrozen(freezerOf(layout(), "${group.path}"), 5000, async () => {
      console.log("frozen");
      await new Promise((r) => setTimeout(r, 60_000));
    });`;
  const p = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  const { value } = await p.stdout.getReader().read();
  expect(new TextDecoder().decode(value)).toBe("frozen\n");
  expect(group.state()).toBe("frozen");
  p.kill("SIGKILL");
  await p.exited;
  for (let i = 0; i < 200 && group.state() !== "thawed"; i++) await Bun.sleep(10);
  expect(group.state()).toBe("thawed");
  await group.kill();
  await child.ended;
});

root("what fails while a group is frozen leaves it thawed", async () => {
  const { whileFrozen } = await import("../../src/cgroups/guard.ts");
  const { freezerOf } = await import("../../src/cgroups/freezer.ts");
  const { layout } = await import("../../src/cgroups/look.ts");
  await using group = await ControlGroup.create(`guard-${process.pid}`);
  const child = await spawnIn(group, ["sleep", "60"]);
  const freezer = freezerOf(layout(), group.path);
  const failing = whileFrozen(freezer, 5000, () => {
    expect(group.state()).toBe("frozen");
    throw new Error("half-way");
  });
  expect(failing).rejects.toThrow("half-way");
  await failing.catch(() => {});
  expect(group.state()).toBe("thawed");
  await group.kill();
  await child.ended;
});
