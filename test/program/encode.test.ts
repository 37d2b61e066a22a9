import { expect, test } from "bun:test";
import fc from "fast-check";
import { hostArch } from "../../src/kernel/arch.ts";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { explainText } from "../../src/program/explain.ts";
import { labelOf } from "../../src/program/labels.ts";
import { launcher } from "../../src/program/launcher.ts";
import { addressOf, buffer, low, struct, textBlock } from "../../src/program/values.ts";

const words = (p: Uint8Array) => new DataView(p.buffer, p.byteOffset, p.length);

test("labels survive encoding", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.string().filter((s) => !s.includes("\0")),
        { minLength: 1, maxLength: 20 },
      ),
      (labels) => {
        const b = new ProgramBuilder(hostArch());
        const s = b.section("main");
        for (const label of labels) s.call(label, "getpid", []);
        const view = words(encode(b.build()));
        labels.forEach((label, i) => {
          expect(labelOf(view, 0, i)).toBe(new TextDecoder().decode(new TextEncoder().encode(label)));
        });
      },
    ),
  );
});

test("every integer argument arrives as the kernel would get it", async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), async (n) => {
      const b = new ProgramBuilder(hostArch());
      const s = b.section("main");
      const block = buffer("number", 8);
      s.store(n, block, 0, 8);
      const pipe = b.slot("pipe");
      s.call("make a pipe", "pipe2", [addressOf(pipe), 0o2000000]);
      s.get("close an end", "close", [low(pipe)]);
      s.fail("fail with it", Math.abs(n % 4000) + 1);
      const slots = await launcher().perform(encode(b.build()));
      expect(slots[4]).toBe(Math.abs(n % 4000) + 1);
    }),
    { numRuns: 30 },
  );
});

test("a struct has the layout of C", () => {
  const block = struct("s", [
    [2, 1],
    [8, 2],
    [4, 3],
  ]);
  expect(block.bytes.length).toBe(20);
  expect([...block.bytes].map(Number)).toEqual([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0]);
});

test("a NUL byte in a text is refused", () => {
  const b = new ProgramBuilder(hostArch());
  b.section("main").call("open", "openat", [-100, "a\0b", 0]);
  expect(() => encode(b.build())).toThrow("NUL");
});

test("a program explained as text", () => {
  const b = new ProgramBuilder(hostArch());
  const s = b.section("main");
  const fd = s.get("open the file", "openat", [-100, "/etc/hosts", 0], { ignore: ["ENOENT"] });
  s.skipIf(fd, "<", 0, () => s.call("write to it", "write", [fd, textBlock("hi"), 2]));
  expect(explainText(b.build())).toBe(
    [
      "0. main",
      '    0  openat(-100, "/etc/hosts", 0) = <open the file>  [may fail: ENOENT]',
      "       # open the file",
      "    1  if <open the file> < 0, skip 1",
      "       # skip 1",
      '    2  write(<open the file>, "hi", 2)',
      "       # write to it",
    ].join("\n"),
  );
});
