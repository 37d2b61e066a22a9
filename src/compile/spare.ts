import { CLONE, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { type Context, isNew } from "./context.ts";
import { FD } from "./descriptors.ts";
import type { Job } from "./job.ts";
import { bringLoopbackUp } from "./loopback.ts";
import { needsEntering, openOwnNetwork } from "./namespaces.ts";
import type { Spec } from "./spec.ts";

/** Whether a container's network namespace may be one that was made before: it belongs to the launcher's user namespace, and has a loopback device alone. */
export const maySpare = (spec: Spec, job: Pick<Job, "alone" | "warm" | "network">): boolean =>
  job.alone === true &&
  !job.warm &&
  !job.network &&
  isNew(spec, "network") &&
  !isNew(spec, "user") &&
  !needsEntering(spec);

/** The supervisor keeps what its first process enters, out of the way of what it closes. */
export function keepSpare(c: Context, s: SectionBuilder): void {
  if (c.job.spare) s.call("keep the spare network namespace", "dup3", [FD.SPARE, FD.ENTER, O.CLOEXEC]);
}

export function enterSpare(c: Context, s: SectionBuilder): void {
  if (!c.job.spare) return;
  s.call("enter the spare network namespace", "setns", [FD.ENTER, CLONE.NEWNET]);
  leaveSpare(c, s);
}

export function leaveSpare(c: Context, s: SectionBuilder): void {
  if (c.job.spare) s.call("close the spare network namespace", "close", [FD.ENTER]);
}

/** Puts back what the launcher has in its place: nobody else is to enter what a container has. */
export function dropSpare(s: SectionBuilder): void {
  s.call("let the spare network namespace go", "dup3", [FD.CONTROL, FD.SPARE, O.CLOEXEC], ANY);
}

/** The launcher, once the supervisor is born. */
export function passSpare(c: Context, s: SectionBuilder): void {
  if (c.job.spare) dropSpare(s);
}

/** Slots that are 0 when all went well: unset, nothing was tried. */
export type SpareMade = { readonly left: Slot; readonly back: Slot; readonly up: Slot };

/** A program for the launcher alone: the next one. Whatever fails of it, containers are as well without. */
export function makeSpare(s: SectionBuilder): SpareMade {
  const [left, back] = [s.program.slot("left"), s.program.slot("back")];
  const [isUp, up] = [s.program.slot("is it up"), s.program.slot("up")];
  const home = openOwnNetwork(s, "open the launcher's network namespace", ANY);
  s.skipIf(home, "<", 0, () => {
    s.call("make a network namespace", "unshare", [CLONE.NEWNET], { result: left, ...ANY });
    s.skipIf(left, "<", 0, () => {
      const fd = openOwnNetwork(s, "open the network namespace", ANY);
      bringLoopbackUp(s, isUp);
      s.call("go back", "setns", [home, CLONE.NEWNET], { result: back, ...ANY });
      s.skipIf(isUp, "!=", 0, () => {
        const kept = s.get("keep it", "dup3", [fd, FD.SPARE, O.CLOEXEC], ANY);
        s.skipIf(kept, "<", 0, () => s.let(up, 0));
      });
      s.call("close the network namespace", "close", [fd], ANY);
    });
    s.call("close the launcher's network namespace", "close", [home], ANY);
  });
  return { left, back, up };
}
