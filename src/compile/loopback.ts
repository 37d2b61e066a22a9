import { IFF_UP, O, SIOCSIFFLAGS } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Block, type Slot } from "../program/types.ts";
import { type Context, isNew } from "./context.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const IFREQ_SIZE = 40;
const IFREQ_FLAGS_AT = 16;

/** A new network namespace has a loopback device, down. netdevice(7). */
export function loopbackUp(c: Context, s: SectionBuilder): void {
  if (isNew(c.spec, "network")) bringLoopbackUp(s);
}

/** With `result` for what comes of it the program goes on, whatever that is; 0 is up. */
export function bringLoopbackUp(s: SectionBuilder, result?: Slot): void {
  const policy = result ? ANY : {};
  const bytes = new Uint8Array(IFREQ_SIZE);
  new TextEncoder().encodeInto("lo", bytes);
  new DataView(bytes.buffer).setUint16(IFREQ_FLAGS_AT, IFF_UP, true);
  const ifreq: Block = { name: "ifreq of lo", bytes, pointers: [] };
  const socket = s.get("open a socket", "socket", [AF_INET, SOCK_DGRAM | O.CLOEXEC, 0], policy);
  s.call("bring the loopback device up", "ioctl", [socket, SIOCSIFFLAGS, ifreq], {
    ...policy,
    ...(result && { result }),
  });
  s.call("close the socket", "close", [socket], policy);
}
