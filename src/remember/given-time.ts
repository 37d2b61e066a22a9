import type { Program } from "../program/types.ts";
import { addressOf } from "../program/values.ts";
import { withHoles } from "./holes.ts";

const CLOCK_REALTIME = 0;

/** The same program, but in place of a time, as RFC 3339 has it and in UTC, it has the one at which it is performed, in seconds. */
export const withTimeNow = (program: Program, time: string): Program =>
  withHoles(program, time, "now", (s, holes) => {
    const seconds = s.program.slot("seconds since 1970");
    s.program.slot("and nanoseconds");
    s.call("read the clock", "clock_gettime", [CLOCK_REALTIME, addressOf(seconds)]);
    for (const { block, at } of holes) s.date(seconds, block, at);
  });
