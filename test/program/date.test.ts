import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostArch } from "../../src/kernel/arch.ts";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { launcher } from "../../src/program/launcher.ts";
import { performSteps } from "../../src/program/steps.ts";
import { buffer, textBlock } from "../../src/program/values.ts";

const TEMPLATE = "<0000-00-00T00:00:00.000Z>\0";
const LAST = 2 ** 32 - 1;

async function written(seconds: number, expected: string): Promise<boolean> {
  const done = await performSteps((s, program) => {
    const block = textBlock(TEMPLATE, "date");
    const right = program.slot("right");
    s.date(seconds, block, 1);
    s.skipIf(block, "other", expected, () => s.let(right, 1));
    return right;
  });
  return done.value(done.made) === 1;
}

test("seconds since 1970 as a date, as JavaScript has it", async () => {
  const days = ["1970-01-01", "1972-02-29", "2000-02-29", "2000-12-31", "2100-02-28", "2100-03-01", "2105-12-31"];
  const known = days.map((day) => Date.parse(`${day}T23:59:59Z`) / 1000);
  for (const seconds of [0, ...known, LAST])
    expect(await written(seconds, `<${new Date(seconds * 1000).toISOString()}>`)).toBe(true);
  await fc.assert(
    fc.asyncProperty(fc.nat(LAST), async (seconds) => {
      expect(await written(seconds, `<${new Date(seconds * 1000).toISOString()}>`)).toBe(true);
    }),
    { numRuns: 100 },
  );
});

test("one that would go beyond the data is refused before anything is performed", async () => {
  const program = new ProgramBuilder(hostArch());
  program.section("launcher").date(0, buffer("small", 8), 1000);
  expect(launcher().perform(encode(program.build(), false))).rejects.toThrow("malformed");
});
