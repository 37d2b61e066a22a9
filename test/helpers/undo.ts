import { expect } from "bun:test";
import type { Job } from "../../src/compile/job.ts";
import { claim } from "../../src/container/claim.ts";
import { withState } from "../../src/container/noted.ts";
import type { ContainerOptions } from "../../src/container/options.ts";
import { prepare } from "../../src/container/prepare.ts";
import { start } from "../../src/container/start.ts";
import { findIfThere, removeContainer } from "../../src/container/state.ts";
import { run } from "../../src/index.ts";
import { inject } from "../../src/program/inject.ts";
import type { Program } from "../../src/program/types.ts";
import { someOf } from "./emulated.ts";
import { leftovers, settled } from "./machine.ts";

const NOTHING = [{ kind: "null" }, { kind: "null" }, { kind: "null" }] as const;
/** No step of a start ignores this one by name. */
const INJECTED = "EUCLEAN";

/** Steps before the supervisor waits: those of the start. */
function startSteps(program: Program, labels: RegExp): { section: number; step: number }[] {
  return program.sections.flatMap((s, section) => {
    if (s.name === "launcher" || s.name === "undo") return [];
    const end = s.steps.findIndex((x) => x.op === "supervise");
    return s.steps
      .slice(0, end < 0 ? undefined : end)
      .flatMap((x, step) =>
        x.op === "jump" || ("ignore" in x && x.ignore === "all") || !labels.test(x.label) ? [] : [{ section, step }],
      );
  });
}

const NAME = "undo-test";

/** What one leaves that did not fail, if it was to keep anything. */
async function removeKept(): Promise<void> {
  const kept = findIfThere(NAME);
  if (kept) await removeContainer(kept);
}

export type Trial = {
  /** Of the steps that are to fail. */
  readonly labels?: RegExp;
  /** What must look the same after each. */
  readonly look?: () => unknown;
  readonly more?: () => Promise<Partial<Job>>;
  readonly command?: readonly string[];
};

/** Makes each step of a start fail (a third in an emulated machine), and looks for what is left; gives how many failed. */
export async function eachStepFails(
  options: ContainerOptions,
  { labels = /./, look, more, command = ["true"] }: Trial = {},
): Promise<number> {
  await run(["true"]);
  const make = async () => {
    const p = await withState(await claim(await prepare({ name: NAME, ...options }, command)), command, true);
    return { ...p, job: { ...p.job, ...(await more?.()) } };
  };
  let steps: { section: number; step: number }[] = [];
  const first = await start(await make(), NOTHING, {
    alter: (program) => {
      steps = startSteps(program, labels);
      return program;
    },
  });
  expect((await first.ended).exitCode).toBe(0);
  await removeKept();
  const before = await settled();
  const seen = look?.();
  let failed = 0;
  for (const { section, step } of someOf(steps)) {
    const started = await start(await make(), NOTHING, { alter: (p) => inject(p, section, step, INJECTED) });
    const error = await started.ended.then(
      () => undefined,
      (e: Error) => e,
    );
    // A step that a jump passes over, or the second of two ways, is not performed.
    if (error) {
      expect(error.message).toContain(INJECTED);
      failed++;
    } else await removeKept();
    const { mounts, groups, state, data, files } = leftovers();
    expect({ mounts, groups, state, data, files }).toEqual({
      mounts: before.mounts,
      groups: before.groups,
      state: before.state,
      data: before.data,
      files: before.files,
    });
    expect(look?.()).toEqual(seen);
  }
  expect(await settled()).toEqual(before);
  return failed;
}
