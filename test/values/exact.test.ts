import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseExact } from "../../src/values/exact.ts";

test("whole numbers beyond 2^53 keep every digit, and nothing else is changed", () => {
  const text =
    '{"a": 18446744073709551615, "b": -9223372036854775808, "c": "1234567890123456789", "d": 0.12345678901234566}';
  expect(parseExact(text)).toEqual({
    a: "exact:18446744073709551615",
    b: "exact:-9223372036854775808",
    c: "1234567890123456789",
    d: 0.12345678901234566,
  });
  expect(parseExact('[1234567890123456.5, 1234567890123456e2, "\\"1234567890123456"]')).toEqual([
    1234567890123456.5,
    1234567890123456e2,
    '"1234567890123456',
  ]);
});

test("all else is what JSON.parse gives", () => {
  const rounded = (_: string, v: unknown) =>
    typeof v === "string" && /^exact:-?\d+$/.test(v) ? Number(v.slice("exact:".length)) : v;
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify([value, "1234567890123456"]);
      expect(JSON.parse(JSON.stringify(parseExact(text)), rounded)).toEqual(JSON.parse(text));
    }),
  );
});

test("a text that does not end is no longer work than one that does", () => {
  expect(() => parseExact(`"1234567890123456${'"\\'.repeat(1 << 20)}`)).toThrow(SyntaxError);
});
