import { expect, test } from "bun:test";
import fc from "fast-check";
import type { DeviceRule, DevicesLimits } from "../../src/cgroups/controllers/devices.ts";
import { deviceFilter } from "../../src/cgroups/device-filter.ts";

/** What the kernel's machine does with the few instructions that are used (Documentation/bpf/standardization). */
function interpret(code: Uint8Array, context: readonly number[]): number {
  const view = new DataView(code.buffer, code.byteOffset, code.length);
  const r = new Array<number>(11).fill(0);
  for (let at = 0, steps = 0; steps < 10_000; at++, steps++) {
    const [dst, src] = [view.getUint8(8 * at + 1) & 15, view.getUint8(8 * at + 1) >> 4];
    const [offset, value] = [view.getInt16(8 * at + 2, true), view.getInt32(8 * at + 4, true)];
    const now = r[dst] ?? 0;
    switch (view.getUint8(8 * at)) {
      case 0x61:
        r[dst] = context[offset / 4] ?? 0;
        break;
      case 0x57:
        r[dst] = now & value;
        break;
      case 0x77:
        r[dst] = now >>> value;
        break;
      case 0xb7:
        r[dst] = value;
        break;
      case 0xbf:
        r[dst] = r[src] ?? 0;
        break;
      case 0x55:
        if (now !== value) at += offset;
        break;
      case 0x15:
        if (now === value) at += offset;
        break;
      case 0x95:
        return r[0] ?? 0;
      default:
        throw new Error(`unknown instruction ${view.getUint8(8 * at)}`);
    }
  }
  throw new Error("it does not end");
}

const bits = { m: 1, r: 2, w: 4 } as const;
const rights = (text: string) => [...text].reduce((n, c) => n | bits[c as keyof typeof bits], 0);

/** The meaning of the rules, said another way: the last one that fits. */
function expected(l: DevicesLimits, type: "b" | "c", major: number, minor: number, access: number): number {
  const fits = (r: DeviceRule) =>
    (r.type === "a" || r.type === type) &&
    (r.major ?? major) === major &&
    (r.minor ?? minor) === minor &&
    (r.allow ? (access & ~rights(r.access)) === 0 : (access & rights(r.access)) !== 0);
  const last = l.rules.findLast(fits);
  return (last ? last.allow : l.default === "allow") ? 1 : 0;
}

const rule = fc.record(
  {
    allow: fc.boolean(),
    type: fc.constantFrom("a", "b", "c"),
    major: fc.integer({ min: 0, max: 3 }),
    minor: fc.integer({ min: 0, max: 3 }),
    access: fc.constantFrom("r", "w", "m", "rw", "rwm"),
  },
  { requiredKeys: ["allow", "type", "access"] },
) as fc.Arbitrary<DeviceRule>;

test("the filter decides as its rules say", () => {
  fc.assert(
    fc.property(
      fc.record({ default: fc.constantFrom("allow", "deny"), rules: fc.array(rule, { maxLength: 8 }) }),
      fc.constantFrom("b" as const, "c" as const),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 0, max: 3 }),
      fc.integer({ min: 1, max: 7 }),
      (limits, type, major, minor, access) => {
        const l = limits as DevicesLimits;
        const context = [(access << 16) | (type === "b" ? 1 : 2), major, minor];
        expect(interpret(deviceFilter(l), context)).toBe(expected(l, type, major, minor, access));
      },
    ),
    { numRuns: 2000 },
  );
});
