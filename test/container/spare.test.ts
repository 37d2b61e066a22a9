import { expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { until as comesTrue } from "../../src/cgroups/freezer.ts";
import { dropSpare, makeSpare } from "../../src/compile/spare.ts";
import { makeNextSpare, takeSpare } from "../../src/container/spare.ts";
import { type ContainerOptions, container, run } from "../../src/index.ts";
import { hostArch } from "../../src/kernel/arch.ts";
import { errno } from "../../src/kernel/errno.ts";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { Launcher, launcher } from "../../src/program/launcher.ts";
import { performSteps } from "../../src/program/steps.ts";
import type { Program, Step } from "../../src/program/types.ts";
import { rounds } from "../helpers/emulated.ts";
import { isRoot } from "../helpers/machine.ts";
import { eachStepFails } from "../helpers/undo.ts";

/** A network namespace that the launcher makes while the container before it runs. */
const rooted = test.skipIf(!isRoot);
const own = readlinkSync("/proc/self/ns/net");
const spareOf = (l: Launcher) => readlinkSync(`/proc/${l.pid}/fd/15`);
const namespaceOf = (l: Launcher) => readlinkSync(`/proc/${l.pid}/ns/net`);
const shared = {
  spec: { ociVersion: "1.3.0", linux: { namespaces: [{ type: "network" }] } },
  job: { alone: true },
} as const;

const until = async (what: () => boolean) => expect(await comesTrue(what, 5000)).toBe(true);

rooted("each container has its own, up and with a loopback device alone", async () => {
  for (let i = 0; i < 5; i++) {
    await using box = await container();
    const r = await box.run(["sh", "-c", "ls /sys/class/net; cat /sys/class/net/lo/flags; ls /proc/self/fd"]);
    expect(r.stdout).toBe("lo\n0x9\n0\n1\n2\n3\n");
    if (i > 1) await until(() => spareOf(launcher()).startsWith("net:"));
    expect(new Set([own, readlinkSync(`/proc/${box.pid}/ns/net`), spareOf(launcher())]).size).toBe(3);
    expect(namespaceOf(launcher())).toBe(own);
  }
});

rooted("containers that live at once have different ones", async () => {
  const boxes: Awaited<ReturnType<typeof container>>[] = [];
  try {
    for (let i = 0; i < 4; i++) {
      await until(() => i < 2 || spareOf(launcher()).startsWith("net:"));
      boxes.push(await container());
    }
    boxes.push(...(await Promise.all([container(), container(), container()])));
    const all = boxes.map((b) => readlinkSync(`/proc/${b.pid}/ns/net`));
    expect(new Set([own, spareOf(launcher()), ...all]).size).toBe(boxes.length + 2);
  } finally {
    for (const box of boxes) await box.dispose();
  }
});

rooted("who shares the host's network, or has ids of its own, does not get it", async () => {
  const namespace = async (o: ContainerOptions) => (await run(["readlink", "/proc/self/ns/net"], o)).stdout.trim();
  await namespace({});
  await namespace({});
  await until(() => spareOf(launcher()).startsWith("net:"));
  const spare = spareOf(launcher());
  expect(await namespace({ network: "host" })).toBe(own);
  expect(await namespace({ namespaces: { user: "auto" } })).not.toBe(spare);
  expect(spareOf(launcher())).toBe(spare);
  expect(await namespace({})).toBe(spare);
});

rooted("whatever fails when it is made, the launcher has none, and is where it was", async () => {
  const builder = new ProgramBuilder(hostArch());
  const made = makeSpare(builder.section("launcher"));
  const program = builder.build();
  const l = new Launcher();
  try {
    for (const [step, { op, label }] of (program.sections[0]?.steps ?? []).entries()) {
      if (op !== "call" || label === "go back") continue;
      const slots = await l.perform(encode(refused(program, step), false));
      const isClosing = label.startsWith("close");
      expect([label, slots[2 * made.up.slot] === 0]).toEqual([label, isClosing]);
      expect(namespaceOf(l)).toBe(own);
      if (!isClosing) expect(spareOf(l).startsWith("socket:")).toBe(true);
      await performSteps(dropSpare, undefined, l);
    }
  } finally {
    l.close();
  }
});

/** The same, but the kernel refuses one of its calls: EBADF. */
function refused(program: Program, at: number): Program {
  const refuse = (s: Step, i: number): Step =>
    i === at && s.op === "call" ? { ...s, call: "close", args: [0xffff] } : s;
  return { ...program, sections: program.sections.map((s) => ({ ...s, steps: s.steps.map(refuse) })) };
}

rooted("a launcher that cannot go back is not used again", async () => {
  const l = new Launcher();
  for (let i = 0; i < 2; i++) expect(takeSpare(l, shared.spec, shared.job)).toBe(false);
  const perform = l.perform.bind(l);
  l.perform = async (bytes, token) => {
    const slots = await perform(bytes, token);
    const { back } = makeSpare(new ProgramBuilder(hostArch()).section("launcher"));
    slots[2 * back.slot] = -errno("EPERM");
    return slots;
  };
  await makeNextSpare(l);
  expect(l.dead).toBe(true);
});

rooted("an idle launcher lets it go", async () => {
  const l = new Launcher();
  try {
    for (let i = 0; i < 2; i++) expect(takeSpare(l, shared.spec, shared.job)).toBe(false);
    await makeNextSpare(l, 50);
    expect(spareOf(l).startsWith("net:")).toBe(true);
    await until(() => spareOf(l).startsWith("socket:"));
    expect(takeSpare(l, shared.spec, shared.job)).toBe(false);
  } finally {
    l.close();
  }
});

rooted("each step of a start with one fails in turn, and nothing is left", async () => {
  const labels = /network namespace|loopback|supervisor|sys/;
  const spare = async () => {
    for (let i = 0; i < 2 && takeSpare(launcher(), shared.spec, shared.job); i++);
    await makeNextSpare(launcher());
    expect(spareOf(launcher()).startsWith("net:")).toBe(true);
    return { spare: takeSpare(launcher(), shared.spec, shared.job) === true };
  };
  expect(await eachStepFails({}, { labels, more: spare })).toBeGreaterThan(rounds(10));
});
