import { expect, test } from "bun:test";
import { notedState } from "../../src/container/noted.ts";
import { prepare } from "../../src/container/prepare.ts";
import { start } from "../../src/container/start.ts";
import { openContainer, run } from "../../src/index.ts";
import { inject } from "../../src/program/inject.ts";
import type { Program } from "../../src/program/types.ts";
import { isRoot, leftovers, settled } from "../helpers/machine.ts";

const NOTHING = [{ kind: "null" }, { kind: "null" }, { kind: "null" }] as const;
/** No step of a start ignores this one by name. */
const INJECTED = "EUCLEAN";

/** Steps before the supervisor waits: those of the start. */
function startSteps(program: Program): { section: number; step: number }[] {
  return program.sections.flatMap((s, section) => {
    if (s.name === "launcher" || s.name === "undo") return [];
    const end = s.steps.findIndex((x) => x.op === "supervise");
    return s.steps
      .slice(0, end < 0 ? undefined : end)
      .flatMap((x, step) => (x.op === "jump" || ("ignore" in x && x.ignore === "all") ? [] : [{ section, step }]));
  });
}

test.skipIf(!isRoot)(
  "each step of a start fails in turn, and nothing is left",
  async () => {
    await run(["true"]);
    const options = {
      name: "undo-test",
      memory: "64M",
      pidsLimit: 10,
      ulimits: { nofile: 64 },
      clock: { monotonic: 1 },
    };
    const make = () => {
      const p = prepare(options, ["true"]);
      return { ...p, job: { ...p.job, state: notedState(p, ["true"], { remove: true }) } };
    };
    let steps: { section: number; step: number }[] = [];
    const first = await start(make(), NOTHING, {
      alter: (program) => {
        steps = startSteps(program);
        return program;
      },
    });
    expect((await first.ended).exitCode).toBe(0);
    const before = await settled();
    expect(steps.length).toBeGreaterThan(150);
    let failed = 0;
    for (const { section, step } of steps) {
      const started = await start(make(), NOTHING, { alter: (p) => inject(p, section, step, INJECTED) });
      const error = await started.ended.then(
        () => undefined,
        (e: Error) => e,
      );
      // A step that a jump passes over, or the second of two ways, is not performed.
      if (error) {
        expect(error.message).toContain(INJECTED);
        failed++;
      }
      const { mounts, groups, state, files } = leftovers();
      expect({ mounts, groups, state, files }).toEqual({
        mounts: before.mounts,
        groups: before.groups,
        state: before.state,
        files: before.files,
      });
    }
    expect(failed).toBeGreaterThan(150);
    expect(await settled()).toEqual(before);
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
