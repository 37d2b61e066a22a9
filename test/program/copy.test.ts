import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostArch } from "../../src/kernel/arch.ts";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { launcher } from "../../src/program/launcher.ts";
import { performSteps } from "../../src/program/steps.ts";
import { buffer, into } from "../../src/program/values.ts";

const text = fc.string({ unit: "binary-ascii", maxLength: 40 }).map((t) => t.replaceAll("\0", ""));
const SIZE = 64;
const AT = 3;

test("the beginning of a text: so many bytes, and none from a character on", async () => {
  await fc.assert(
    fc.asyncProperty(text, fc.nat(40), fc.constantFrom("\0", "/", "a"), async (given, most, until) => {
      const expected = (given.split(until)[0] ?? "").slice(0, most);
      const after = AT + expected.length + 1;
      const done = await performSteps((s, program) => {
        const block = buffer("copy", SIZE);
        block.bytes.fill("x".charCodeAt(0));
        const right = program.slot("right");
        s.copy(given, block, AT, most, until);
        s.skipIf(into(block, AT), "other", expected, () =>
          // What is behind its NUL is as it was.
          s.skipIf(into(block, after), "other", "x".repeat(SIZE - after), () => s.let(right, 1)),
        );
        return right;
      });
      expect(done.value(done.made)).toBe(1);
    }),
    { numRuns: 50 },
  );
});

test("one that would go beyond the data is refused before anything is performed", async () => {
  const program = new ProgramBuilder(hostArch());
  program.section("launcher").copy("text", buffer("small", 8), 0, 1 << 20);
  expect(launcher().perform(encode(program.build(), false))).rejects.toThrow("malformed");
});
