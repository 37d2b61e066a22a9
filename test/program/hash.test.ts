import { expect, test } from "bun:test";
import fc from "fast-check";
import { HASH_START, hashOf } from "../../src/program/hash.ts";
import { performSteps } from "../../src/program/steps.ts";

test("known values of FNV-1a, each text with its NUL", () => {
  expect(hashOf([])).toBe(0x811c9dc5);
  // Two texts, and one that is both in a row, are not the same.
  expect(hashOf(["ab", "c"])).not.toBe(hashOf(["a", "bc"]));
  expect(hashOf([""])).toBe(0x050c5d1f);
});

const text = fc.string({ unit: "binary" }).map((t) => t.replaceAll("\0", ""));

test("the executor's step gives the same, and takes no text as nothing", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 5 }), async (texts) => {
      const done = await performSteps((s, program) => {
        const hash = program.slot("hash");
        s.let(hash, HASH_START);
        for (const t of texts) s.hash(hash, t);
        s.hash(hash, 0);
        return hash;
      });
      expect(done.value(done.made) >>> 0).toBe(hashOf(texts));
    }),
    { numRuns: 50 },
  );
});

test("what has so many characters of others in a row, and what a text ends with of them, is left out", async () => {
  const some = fc.string({ unit: fc.constantFrom("a", "b", "x", "y"), maxLength: 20 });
  await fc.assert(
    fc.asyncProperty(some, fc.integer({ min: 1, max: 4 }), async (given, least) => {
      const done = await performSteps((s, program) => {
        const hash = program.slot("hash");
        s.let(hash, HASH_START);
        s.hash(hash, given, { characters: "ab", least });
        return hash;
      });
      const left = given.replace(new RegExp(`[ab]{${least},}|[ab]+$`, "g"), "");
      expect(done.value(done.made) >>> 0).toBe(hashOf([left]));
    }),
    { numRuns: 50 },
  );
});
