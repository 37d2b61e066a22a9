import { expect, test } from "bun:test";
import { join } from "node:path";
import { ratesOf, type Sample } from "../../../src/cli/top/sample.ts";
import { draw, sorted, sparkline } from "../../../src/cli/top/view.ts";
import { ControlGroup, spawnIn } from "../../../src/index.ts";
import { isRoot } from "../../helpers/machine.ts";

const sample = (name: string, more: Partial<Sample> = {}): Sample => ({
  name,
  kind: "group",
  state: "running",
  processes: 1,
  ...more,
});

test("rates are per second, and what has just come has none", () => {
  const rows = ratesOf(
    [sample("a", { cpuTime: 1, io: 100 })],
    [sample("a", { cpuTime: 2, io: 50 }), sample("b", { cpuTime: 9 })],
    2,
  );
  expect(rows.map((r) => [r.name, r.cpu, r.ioRate])).toEqual([
    ["a", 0.5, 0],
    ["b", undefined, undefined],
  ]);
});

test("sorts by what is asked for, largest first, names in order", () => {
  const rows = ratesOf([], [sample("b", { memory: 5 }), sample("a", { memory: 5 }), sample("c", { memory: 9 })], 1);
  expect(sorted(rows, "memory").map((r) => r.name)).toEqual(["c", "a", "b"]);
  expect(sorted(rows, "name").map((r) => r.name)).toEqual(["a", "b", "c"]);
});

test("plots are as wide as asked, and full at their highest value", () => {
  expect(sparkline([0, 0.5, 1], 5, 0.1)).toBe("  ▁▅█");
  expect(sparkline([0.01], 2, 0.1)).toBe(" ▁");
});

test("a name cannot command the terminal, and no line is wider than it", () => {
  const rows = ratesOf([], [sample("evil\x1b[2J"), sample("x".repeat(200))], 1);
  const text = draw({
    rows,
    order: "cpu",
    chosen: "evil\x1b[2J",
    history: new Map(),
    message: "",
    columns: 40,
    lines: 10,
  });
  expect(text).not.toContain("\x1b[2J");
  expect(text).toContain("evil?[2J");
  for (const line of text.split("\r\n")) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(40);
});

test.skipIf(!isRoot)("lives in a terminal, freezes what is chosen, and leaves the terminal as it was", async () => {
  const name = `top-${process.pid}`;
  await using group = await ControlGroup.create(name);
  const child = await spawnIn(group, ["sleep", "60"]);
  const caisson = join(import.meta.dir, "../../../dist/caisson");
  const top = Bun.spawn(["script", "-qec", `${caisson} top --interval 100ms`, "/dev/null"], {
    stdin: "pipe",
    stdout: "pipe",
  });
  let text = "";
  const reading = (async () => {
    for await (const chunk of top.stdout) text += new TextDecoder().decode(chunk);
  })();
  const until = async (test: () => boolean) => {
    for (let i = 0; i < 1000 && !test(); i++) await Bun.sleep(10);
    expect(test()).toBe(true);
  };
  const press = (keys: string) => {
    top.stdin.write(keys);
    top.stdin.flush();
  };
  try {
    await drive();
  } finally {
    top.kill("SIGKILL");
    await group.kill();
  }
  expect(text.endsWith("\x1b[?25h\x1b[?1049l")).toBe(true);
  await child.ended;

  async function drive() {
    await until(() => text.includes(name));
    press("n");
    await until(() => text.includes("sorted by name"));
    for (let i = 0; i < 50 && !text.includes(`\x1b[7m${name}`); i++) {
      press("\x1b[B");
      await Bun.sleep(50);
    }
    // In one write: each key counts, and what is still being done at the end draws nothing over the shell.
    press("fq");
    expect(await top.exited).toBe(0);
    await reading;
    expect(group.state()).toBe("frozen");
  }
});
