import { O, SIG_SETMASK } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { buffer } from "../program/values.ts";

/** SIGTSTP, SIGTTIN, SIGTTOU: job control of the caller's shell is for the supervisor, not for the container. */
const JOB_CONTROL = [20, 21, 22];

function takeSignals(s: SectionBuilder, name: string, left: readonly number[]): Slot {
  const mask = buffer(name, 8);
  mask.bytes.fill(0xff);
  for (const n of left) mask.bytes[(n - 1) >> 3] = (mask.bytes[(n - 1) >> 3] ?? 0) & ~(1 << ((n - 1) & 7));
  s.call(`block ${name === "all signals" ? name : `the ${name}`}`, "rt_sigprocmask", [SIG_SETMASK, mask, 0, 8]);
  return s.get("open the signals", "signalfd4", [-1, mask, 8, O.CLOEXEC]);
}

/** Signals come as something to read from now on: all of them. */
export const takeAllSignals = (s: SectionBuilder): Slot => takeSignals(s, "all signals", []);

/** The same for a supervisor, which leaves job control to the kernel. */
export const takeSignalsToPassOn = (s: SectionBuilder): Slot => takeSignals(s, "signals to pass on", JOB_CONTROL);
