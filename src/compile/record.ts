import type { SectionBuilder } from "../program/builder.ts";
import { type Block, FAILURE, type Slot } from "../program/types.ts";
import { addressOf, buffer } from "../program/values.ts";

/**
 * What a supervisor tells of an end, as 64-bit numbers and then the text of each file that the control groups were
 * asked for. The executor writes it; src/container/record.ts reads it.
 */
export const RECORD = {
  failure: 0,
  /** Of a failure: 1 if changes were begun, and all that was made for it is left to be removed. The results are where there is none. */
  isLeft: 24,
  results: 24,
  endedAt: 72,
  files: 88,
  fileSize: 512,
} as const;

/** `sinceBoot`: the pid is that of the first process by then, so whoever has it later and began before is still it. */
export const STARTED = { pid: 0, supervisor: 8, startedAt: 16, sinceBoot: 32, size: 48 } as const;

const CLOCK_REALTIME = 0;
const CLOCK_BOOTTIME = 7;

function readClock(s: SectionBuilder, clock: number): readonly [Slot, Slot] {
  const seconds = s.program.slot("seconds");
  const nanoseconds = s.program.slot("nanoseconds");
  s.call("read the clock", "clock_gettime", [clock, addressOf(seconds)]);
  return [seconds, nanoseconds];
}

/** The time of day, seconds and nanoseconds, in two slots. */
export const timeOfDay = (s: SectionBuilder): readonly [Slot, Slot] => readClock(s, CLOCK_REALTIME);
/** The same since the machine was booted: what proc_pid_stat(5) counts in. */
export const timeSinceBoot = (s: SectionBuilder): readonly [Slot, Slot] => readClock(s, CLOCK_BOOTTIME);

export const recordBlock = (files: number, prefix = 0): Block =>
  buffer("record", prefix + RECORD.files + files * RECORD.fileSize);

export const storeFailureAt = (s: SectionBuilder, record: Block): void => storeFailure(s, record, -RECORD.failure);

export function storeFailure(s: SectionBuilder, record: Block, prefix = 0): void {
  for (const [i, slot] of [FAILURE.section, FAILURE.step, FAILURE.errno].entries())
    s.store({ slot, name: "failure" }, record, prefix + RECORD.failure + 8 * i, 8);
}
