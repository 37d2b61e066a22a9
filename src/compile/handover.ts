import { O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { addressOf, into, type Loose, low, struct, textBlock } from "../program/values.ts";

/** File descriptors that one process hands to another: unix(7), SCM_RIGHTS. */
export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const MSG_CMSG_CLOEXEC = 0x40000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const CMSG_WITH_ONE_FD = 24;

/** Two sockets that are each other's ends, in the two halves of a slot of this name. */
export function socketPair(s: SectionBuilder, name: string): Slot {
  const pair = s.program.slot(name);
  s.call(`make the ${name}`, "socketpair", [AF_UNIX, SOCK_STREAM | O.CLOEXEC, 0, addressOf(pair)]);
  return pair;
}

type Control = ReturnType<typeof into> | ReturnType<typeof addressOf>;

/** struct msghdr with a text and one control message; recvmsg(2). */
function message(control: Control, text: string): { header: Block; bytes: Block } {
  const bytes = textBlock(text);
  const iovec = struct("iovec", [
    [8, into(bytes)],
    [8, bytes.bytes.length],
  ]);
  const header = struct("msghdr", [
    [8, 0],
    [8, 0],
    [8, into(iovec)],
    [8, 1],
    [8, control],
    [8, CMSG_WITH_ONE_FD],
    [8, 0],
  ]);
  return { header, bytes };
}

/** The message that hands a file descriptor over, and the text beside it. */
export function messageWith(s: SectionBuilder, fd: Loose, text: string): { header: Block; bytes: Block } {
  const control = struct("cmsg", [
    [8, CMSG_WITH_ONE_FD - 4],
    [4, SOL_SOCKET],
    [4, SCM_RIGHTS],
    [8, 0],
  ]);
  s.store(fd, control, 16, 4);
  return message(into(control), text);
}

export function sendDescriptor(s: SectionBuilder, label: string, to: Loose, fd: Loose, text = "!"): void {
  s.call(label, "sendmsg", [to, messageWith(s, fd, text).header, 0]);
}

/** `got`: how many bytes came beside it; none from who is gone. The control message lands in slots, the descriptor in half of the third. */
export function takeDescriptor(s: SectionBuilder, label: string, from: Loose): { got: Slot; fd: Loose } {
  const [first, , third] = [1, 2, 3].map((n) => s.program.slot(`${label}: message ${n}`)) as [Slot, Slot, Slot];
  const got = s.get(label, "recvmsg", [from, message(addressOf(first), "\0").header, MSG_CMSG_CLOEXEC]);
  return { got, fd: low(third) };
}
