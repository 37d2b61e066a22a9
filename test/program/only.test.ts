import { expect, test } from "bun:test";
import fc from "fast-check";
import { performSteps } from "../../src/program/steps.ts";
import type { Loose } from "../../src/program/values.ts";

async function only(text: Loose, of: Loose): Promise<boolean> {
  const done = await performSteps((s, program) => {
    const answer = program.slot("answer");
    s.let(answer, 0);
    s.skipIf(text, "only", of, () => s.let(answer, 1));
    return answer;
  });
  return done.value(done.made) === 0;
}

const text = fc.string({ unit: fc.constantFrom("a", "b", "c", "/", "é"), maxLength: 8 });

test("whether a text has no other characters than another", async () => {
  await fc.assert(
    fc.asyncProperty(text, text, async (given, of) => {
      const bytes = Buffer.from(of);
      expect(await only(given, of)).toBe(Buffer.from(given).every((byte) => bytes.includes(byte)));
    }),
    { numRuns: 100 },
  );
});

test("no text at all is none of these", async () => {
  expect(await only(0, "abc")).toBe(false);
  expect(await only("a", 0)).toBe(false);
  expect(await only("", "")).toBe(true);
});
