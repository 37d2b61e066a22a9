import { O, SIG_SETMASK } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { buffer } from "../program/values.ts";

/** SIGTSTP, SIGTTIN, SIGTTOU: job control of the caller's shell is for the supervisor, not for the container. */
export const JOB_CONTROL = [20, 21, 22];

/**
 * Blocks all signals but the `untouched` and makes them come as something to read; those `held` are blocked alone, and
 * nobody ever reads them.
 */
export function takeSignals(
  s: SectionBuilder,
  name: string,
  o: { readonly untouched: readonly number[]; readonly held?: readonly number[] },
): Slot {
  const mask = (what: string, without: readonly number[]) => {
    const block = buffer(what, 8);
    block.bytes.fill(0xff);
    for (const n of without) block.bytes[(n - 1) >> 3] = (block.bytes[(n - 1) >> 3] ?? 0) & ~(1 << ((n - 1) & 7));
    return block;
  };
  const blocked = mask(name, o.untouched);
  s.call(`block ${name === "all signals" ? name : `the ${name}`}`, "rt_sigprocmask", [SIG_SETMASK, blocked, 0, 8]);
  const read = o.held ? mask(`${name}, less those held`, [...o.untouched, ...o.held]) : blocked;
  return s.get("open the signals", "signalfd4", [-1, read, 8, O.CLOEXEC]);
}

/** struct sigaction of the kernel; all zero is SIG_DFL. */
const SIGACTION_SIZE = 32;
const [SIGPIPE, SIGXFSZ] = [13, 25];
/** What is ignored stays so over execve(2). */
const IGNORED_BY_ENGINES = [SIGPIPE, SIGXFSZ];

/** All signals as a command expects them. */
export function resetSignals(s: SectionBuilder): void {
  const byDefault = buffer("the default action", SIGACTION_SIZE);
  for (const n of IGNORED_BY_ENGINES) s.call(`let signal ${n} act again`, "rt_sigaction", [n, byDefault, 0, 8]);
  s.call("unblock all signals", "rt_sigprocmask", [SIG_SETMASK, buffer("no signals", 8), 0, 8]);
}

const SIG_IGN = 1;

/** A write to who is gone fails (EPIPE), and does not end who is about to tell of it. A signal that waits, blocked, is forgotten. */
export function ignoreBrokenPipes(s: SectionBuilder): void {
  const ignored = buffer("to ignore", SIGACTION_SIZE);
  ignored.bytes[0] = SIG_IGN;
  s.call("ignore broken pipes", "rt_sigaction", [SIGPIPE, ignored, 0, 8]);
}

/** Signals come as something to read from now on: all of them. */
export const takeAllSignals = (s: SectionBuilder): Slot => takeSignals(s, "all signals", { untouched: [] });

/** The same for a supervisor, which leaves job control to the kernel. */
export const takeSignalsToPassOn = (s: SectionBuilder): Slot =>
  takeSignals(s, "signals to pass on", { untouched: JOB_CONTROL });
