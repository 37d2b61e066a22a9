import type { Job } from "../compile/job.ts";
import { dropSpare, makeSpare, maySpare, type SpareMade } from "../compile/spare.ts";
import type { Spec } from "../compile/spec.ts";
import { hostArch } from "../kernel/arch.ts";
import { ProgramBuilder } from "../program/builder.ts";
import { encode } from "../program/encode.ts";
import type { Launcher } from "../program/launcher.ts";
import { performSteps } from "../program/steps.ts";

/** How long an idle launcher keeps one. */
const KEPT_MS = 10_000;

/** A launcher's next network namespace: to make one takes the kernel a fifth of a start, and it has time for that while a command runs. */
type Spare = { state: "none" | "making" | "ready"; starts: number; last: number; timer?: NodeJS.Timeout };
const spares = new WeakMap<Launcher, Spare>();

function dropWhenIdle(l: Launcher, spare: Spare, keptMs: number, ms = keptMs): void {
  const look = () => {
    delete spare.timer;
    const left = spare.last + keptMs - performance.now();
    if (left > 0) dropWhenIdle(l, spare, keptMs, left);
    else if (spare.state === "ready" && !l.dead) {
      spare.state = "none";
      performSteps(dropSpare, undefined, l).catch(() => {});
    }
  };
  spare.timer = setTimeout(look, ms);
  spare.timer.unref();
}

/** Whether this container is to have it; undefined: such a container cannot. */
export function takeSpare(l: Launcher, spec: Spec, job: Parameters<typeof maySpare>[1]): Job["spare"] {
  if (l.uid !== 0 || !maySpare(spec, job)) return undefined;
  const spare: Spare = spares.get(l) ?? { state: "none", starts: 0, last: 0 };
  spares.set(l, spare);
  spare.starts++;
  spare.last = performance.now();
  const isReady = spare.state === "ready";
  if (isReady) spare.state = "none";
  return isReady;
}

let program: { readonly bytes: Uint8Array; readonly made: SpareMade } | undefined;

/** The same each time: it is written once. */
async function perform(l: Launcher): Promise<(name: keyof SpareMade) => number | undefined> {
  if (!program) {
    const builder = new ProgramBuilder(hostArch());
    const made = makeSpare(builder.section("launcher"));
    program = { bytes: encode(builder.build(), false), made };
  }
  const { bytes, made } = program;
  const slots = await l.perform(bytes);
  return (name) => slots[2 * made[name].slot];
}

/** Once a container is there that has taken it, or would have. Not after the first of a program: most start one alone. */
export async function makeNextSpare(l: Launcher, keptMs = KEPT_MS): Promise<void> {
  const spare = spares.get(l);
  if (!spare || spare.state !== "none" || spare.starts < 2) return;
  spare.state = "making";
  const value = await perform(l);
  // In another network namespace it would start containers there that share the host's.
  if (value("left") === 0 && value("back") !== 0) l.close();
  spare.state = value("up") === 0 ? "ready" : "none";
  if (!spare.timer) dropWhenIdle(l, spare, keptMs);
}
