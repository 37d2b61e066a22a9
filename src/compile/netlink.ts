import { MSG, O } from "../kernel/flags.ts";
import { AF_NETLINK, ANSWER, type Message, NETLINK, SOCK_RAW } from "../kernel/netlink.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Policy, Slot } from "../program/types.ts";
import { addressOf, type Loose, low } from "../program/values.ts";

export const openNetlink = (s: SectionBuilder, protocol: keyof typeof NETLINK, policy: Policy = {}): Slot =>
  s.get("open a netlink socket", "socket", [AF_NETLINK, SOCK_RAW | O.CLOEXEC, NETLINK[protocol]], policy);

/** Sends one request and waits for its acknowledgement, which lands in three slots of 8 bytes. */
export function ask(
  s: SectionBuilder,
  socket: Loose,
  label: string,
  message: Message,
  o: { readonly holes?: Readonly<Record<string, Loose>>; readonly ignore?: readonly string[] | "all" } = {},
): Slot {
  const [first, , third] = [1, 2, 3].map((n) => s.program.shared(`answer ${n} to the ${s.name}`)) as [Slot, Slot, Slot];
  const block: Block = { name: "message", bytes: message.bytes, pointers: [] };
  for (const [name, { at, size }] of Object.entries(message.holes)) {
    const value = o.holes?.[name];
    if (value === undefined) throw new TypeError(`${label}: nothing is given for "${name}"`);
    s.store(value, block, at, size);
  }
  const may = { ...(o.ignore && { ignore: o.ignore }) };
  s.call(label, "sendto", [socket, block, block.bytes.length, 0, 0, 0], o.ignore === "all" ? may : {});
  // The kernel answers while it is asked: what is not there then never comes.
  s.call("read the answer", "recvfrom", [socket, addressOf(first), ANSWER.size, MSG.TRUNC | MSG.DONTWAIT, 0, 0], may);
  return s.raise(label, low(third), may);
}
