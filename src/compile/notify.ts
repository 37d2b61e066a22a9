import { O, PR } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { frameHeader, KIND } from "../program/frames.ts";
import type { Block, Slot } from "../program/types.ts";
import { high, type Loose, low } from "../program/values.ts";
import type { Context } from "./context.ts";
import { closeFrom, FD, keepOnly, WATCHED } from "./descriptors.ts";
import { messageWith, socketPair, takeDescriptor } from "./handover.ts";
import type { Seccomp, SeccompRule } from "./spec.ts";

const SIGKILL = 9;
const COOKIE_ARGUMENTS = [4, 5] as const;

/** Over these the container hands its seccomp listener out. */
export const listenerSockets = (s: SectionBuilder): Slot => socketPair(s, "sockets of the listener");

/** The name of the slot with the process that takes the listener: the launcher gets it from there. */
export const TAKER = "pid of taker of the listener";

/**
 * A process by itself waits for the listener, since the launcher has others to serve; it says so in a frame, with the
 * descriptor's number, and stays until it is killed. Should the container end before, the socket does, and it ends, too.
 */
export function takeListener(c: Context, main: SectionBuilder, pair: Slot): void {
  const taker = c.program.section("taker of the listener");
  main.spawn("start the taker of the listener", taker);
  main.call("leave the socket to the taker", "close", [low(pair)]);
  main.call("leave the other to the container", "close", [high(pair)]);
  taker.call("end when the launcher does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
  keepOnly(taker, low(pair));
  const { got, fd } = takeDescriptor(taker, "take the listener", WATCHED);
  taker.skipIf(got, ">", 0, () => taker.exit(0));
  const token = c.job.report.to === "library" ? c.job.report.token : 0;
  const frame: Block = { name: "listener", bytes: frameHeader(KIND.event, token, 8), pointers: [] };
  taker.store(fd, frame, 16, 4);
  taker.call("say that the listener is there", "write", [FD.CONTROL, frame, frame.bytes.length]);
  taker.call("stay until it is taken", "ppoll", [0, 0, 0, 0, 0]);
  taker.exit(0);
}

/** In the container: the socket's number is out of the way of the pipes. */
export function keepListenerSocket(s: SectionBuilder, warm: boolean): void {
  s.call("keep the socket of the listener", "dup3", [FD.NOTIFY, FD.LISTENER, O.CLOEXEC]);
  if (!warm)
    for (const fd of [FD.WARM, FD.WARM + 1]) s.call("close what is not needed", "close", [fd], { ignore: ["EBADF"] });
  closeFrom(s, FD.LISTENER + 1);
}

/** The filter is in force already: it lets this call pass by its last two arguments, which the kernel does not look at. */
export function handOut(c: Context, s: SectionBuilder, listener: Loose): void {
  const cookie = c.job.notify?.cookie ?? 0n;
  const { header } = messageWith(s, listener, "!");
  s.call("hand the listener out", "sendmsg", [FD.LISTENER, header, 0, 0, cookie, ~cookie & 0xffffffffffffffffn]);
}

/** The rule for that, before all others. */
export const withHandOut = (seccomp: Seccomp, cookie: bigint): Seccomp => {
  const pass: SeccompRule = {
    names: ["sendmsg"],
    action: "SCMP_ACT_ALLOW",
    args: COOKIE_ARGUMENTS.map((index, i) => ({
      index,
      value: i === 0 ? cookie : ~cookie & 0xffffffffffffffffn,
      op: "SCMP_CMP_EQ",
    })),
  };
  return { ...seccomp, syscalls: [pass, ...(seccomp.syscalls ?? [])] };
};
