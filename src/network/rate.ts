import type { Rate } from "../compile/network-plan.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseSize } from "../values/units.ts";

/** A packet of the largest size, at least; a hundredth of a second's worth where that is more. */
const MINIMUM_BURST = 16_384;

/** "10MB/s", "10M" or bytes a second. */
export function parseRate(field: string, value: string | number): Rate {
  const rate = parseSize(field, typeof value === "string" ? value.replace(/\/s$/, "") : value);
  if (rate < 1) throw new InvalidOptionError(field, value, 'a rate such as "10MB/s"');
  return { rate, burst: Math.max(MINIMUM_BURST, Math.round(rate / 100)) };
}
