import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseCount, parseCpus, parseDuration, parseSize } from "../../src/values/units.ts";

test("sizes", () => {
  expect(parseSize("memory", "512M")).toBe(512 * 2 ** 20);
  expect(parseSize("memory", "1.5g")).toBe(1.5 * 2 ** 30);
  expect(parseSize("memory", "64 KiB")).toBe(65536);
  expect(parseSize("memory", 4096)).toBe(4096);
  for (const bad of ["", "M", "12Q", "-1M", "1..5M", -1, 1.5])
    expect(() => parseSize("memory", bad)).toThrow("memory: ");
});

test("a size in any unit is what it says", () => {
  const units = ["", "K", "M", "G"];
  fc.assert(
    fc.property(fc.nat(1000), fc.nat(3), (n, u) => {
      expect(parseSize("x", `${n}${units[u]}`)).toBe(n * 1024 ** u);
    }),
  );
});

test("durations", () => {
  expect(parseDuration("timeout", "30s")).toBe(30);
  expect(parseDuration("timeout", "1m30s")).toBe(90);
  expect(parseDuration("timeout", "200ms")).toBeCloseTo(0.2);
  expect(parseDuration("timeout", "1.5h")).toBe(5400);
  expect(parseDuration("timeout", 5)).toBe(5);
  expect(parseDuration("timeout", "1m 30")).toBe(90);
  // To take so many digits apart in all ways would take for ever.
  for (const bad of ["", "s", "5 parsecs", "1 2", `${"1".repeat(100)}x`, -1, "100001d", "18446744073709551615ms", 1e10])
    expect(() => parseDuration("timeout", bad)).toThrow("timeout: ");
});

test("counts and CPUs", () => {
  expect(parseCpus("cpus", "1.5")).toBe(1.5);
  for (const bad of ["0", "x", -1]) expect(() => parseCpus("cpus", bad)).toThrow("cpus: ");
  expect(parseCount("pids", "10")).toBe(10);
  expect(() => parseCount("pids", "0", 1)).toThrow("from 1 on");
});
