import { covers } from "../host/in-root.ts";
import { errno } from "../kernel/errno.ts";
import { CLONE } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { buffer, high, low } from "../program/values.ts";
import { type Context, isNew } from "./context.ts";
import { sendDescriptor, socketPair, takeDescriptor } from "./handover.ts";
import { bringLoopbackUp } from "./loopback.ts";
import { needsEntering, openOwnNetwork } from "./namespaces.ts";
import type { Mount } from "./spec.ts";

const SYS = "/sys";

/** Whether a path is what is mounted late, or below it. */
export const isAt = (late: Mount | undefined, path: string): boolean =>
  late !== undefined && covers(late.destination, path);

/** sysfs is of the network namespace of whoever mounts it. It can wait for that where it is the only one, and nothing else is there. */
function sysfsOf({ spec, job }: Context): Mount | undefined {
  const [sysfs, ...others] = (spec.mounts ?? []).filter((m) => m.type === "sysfs" || covers(SYS, m.destination));
  const isAlone = others.length === 0 && sysfs?.type === "sysfs" && sysfs.destination === SYS;
  return isAlone && !isAt(sysfs, job.workdir ?? "/") ? sysfs : undefined;
}

/**
 * The mount that waits for the network namespace, if that is made while all others are mounted: it takes the kernel longer than all other
 * namespaces together, and a machine has more than one processor. undefined: it is made at birth, as where there is more to the
 * network, or an engine says what is to be done in which order.
 */
const mountBeside = (c: Context): Mount | undefined =>
  c.job.alone === true &&
  !c.job.spare &&
  !c.job.warm &&
  isNew(c.spec, "network") &&
  isNew(c.spec, "mount") &&
  !isNew(c.spec, "user") &&
  // There a sysfs may be mounted only while the one outside can be seen (mount_too_revealing() of the kernel).
  !c.facts.userNamespace &&
  !needsEntering(c.spec) &&
  !c.job.network &&
  // Those of the network are the network namespace's.
  Object.keys(c.spec.linux?.sysctl ?? {}).length === 0
    ? sysfsOf(c)
    : undefined;

/** A network namespace that the supervisor makes, once the first process is born, and goes back from. */
export type Beside = {
  /** What is mounted as soon as it is there. */
  readonly late: Mount;
  /** Where the supervisor goes back to. */
  readonly home: Slot;
  /** Over these the namespace is handed over; the end comes when the loopback device is up in it. */
  readonly sockets: Slot;
};

/** Before the first process is born, which inherits all of it. */
export function prepareBeside(c: Context, s: SectionBuilder): Beside | undefined {
  const late = mountBeside(c);
  if (!late) return undefined;
  const home = openOwnNetwork(s, "open the host's network namespace");
  return { late, home, sockets: socketPair(s, "sockets of the network namespace") };
}

/** The supervisor, while the first process mounts. */
export function makeBeside(s: SectionBuilder, b: Beside): void {
  s.call("close the container's end", "close", [low(b.sockets)]);
  s.call("make the network namespace", "unshare", [CLONE.NEWNET]);
  const made = openOwnNetwork(s, "open the network namespace");
  sendDescriptor(s, "hand the network namespace over", high(b.sockets), made);
  bringLoopbackUp(s);
  s.call("say that the loopback device is up", "close", [high(b.sockets)]);
  s.call("close the network namespace", "close", [made]);
}

const ESRCH = errno("ESRCH");

/** The first process. Where nothing came, nobody is there any more. */
export function joinBeside(s: SectionBuilder, b: Beside): void {
  s.call("close the other end", "close", [high(b.sockets)]);
  const { got, fd } = takeDescriptor(s, "take the network namespace", low(b.sockets));
  s.skipIf(got, ">", 0, () => s.fail("take the network namespace", ESRCH));
  s.call("enter the network namespace", "setns", [fd, CLONE.NEWNET]);
  for (const n of [fd, b.home]) s.call("close a network namespace", "close", [n]);
}

/** Before the command could see that it is not up yet. */
export function awaitLoopback(s: SectionBuilder, b: Beside): void {
  s.call("wait for the loopback device", "read", [low(b.sockets), buffer("one byte", 1), 1]);
  s.call("close the socket", "close", [low(b.sockets)]);
}

/** The supervisor, once the first process has entered. Who is in a user namespace that does not own the host's stays: it asks nothing more of the network. */
export function leaveBeside(s: SectionBuilder, b: Beside): void {
  s.call("go back to the host's network namespace", "setns", [b.home, CLONE.NEWNET], { ignore: ["EPERM"] });
  s.call("close the host's network namespace", "close", [b.home]);
}
