import { expect, test } from "bun:test";
import fc from "fast-check";
import { bytesOf, fsPath, textOf } from "../../src/values/bytes.ts";

test("bytes become text and the same bytes again, whatever they are", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect([...bytesOf(textOf(bytes))]).toEqual([...bytes]);
    }),
    { numRuns: 2000 },
  );
});

test("what is UTF-8 is the text that it is, and what is text its UTF-8", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(textOf(new TextEncoder().encode(text))).toBe(text);
      expect([...bytesOf(text)]).toEqual([...new TextEncoder().encode(text)]);
      expect(fsPath(text)).toBe(text);
    }),
    { numRuns: 2000 },
  );
});

test("a stray byte is one that no text has, and bytes for a path", () => {
  const stray = textOf(Uint8Array.of(0x63, 0xe9, 0xf0, 0x9f, 0x98, 0x80));
  expect(stray).toBe("c\udce9😀");
  expect(fsPath(stray)).toEqual(Buffer.from([0x63, 0xe9, 0xf0, 0x9f, 0x98, 0x80]));
});
