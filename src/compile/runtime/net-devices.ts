import { errno } from "../../kernel/errno.ts";
import { AT_FDCWD, O } from "../../kernel/flags.ts";
import { AF_NETLINK, ANSWER, addAddress, linkUp, moveLink, NETLINK_ROUTE, SOCK_RAW } from "../../kernel/netlink.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Block, Slot } from "../../program/types.ts";
import { addressOf, type Loose, low, textBlock } from "../../program/values.ts";
import type { Context } from "../context.ts";
import type { MovedDevice } from "../job.ts";

const MSG_TRUNC = 0x20;
/** What the kernel may say of an interface or an address; the rest is EINVAL. */
const known = ["EPERM", "ENODEV", "EBUSY", "EEXIST", "EOPNOTSUPP", "ENOMEM"];

/** Sends one request and waits for its acknowledgement, which lands in three slots of 8 bytes. */
function ask(s: SectionBuilder, socket: Loose, label: string, message: Block): void {
  const [first, , third] = [1, 2, 3].map((n) => s.program.shared(`answer of the kernel ${n}`)) as [Slot, Slot, Slot];
  s.call(label, "sendto", [socket, message, message.bytes.length, 0, 0, 0]);
  s.call("read the answer", "recvfrom", [socket, addressOf(first), ANSWER.size, MSG_TRUNC, 0, 0]);
  const error = low(third);
  s.skipIf(error, "==", 0, () => {
    for (const name of known) s.skipIf(error, "!=", -errno(name), () => s.fail(label, errno(name)));
    s.fail(label, errno("EINVAL"));
  });
}

const open = (s: SectionBuilder): Slot =>
  s.get("open a netlink socket", "socket", [AF_NETLINK, SOCK_RAW | O.CLOEXEC, NETLINK_ROUTE]);

const blockOf = (name: string, bytes: Uint8Array): Block => ({ name, bytes, pointers: [] });

/** Outside: moves each interface to the network namespace of the first process. config-linux.md "Network Devices". */
export function moveDevices(c: Context, s: SectionBuilder, pid: Slot): void {
  const devices = c.job.netDevices ?? [];
  if (devices.length === 0) return;
  const path = textBlock(`/proc/${"\0".repeat(11)}\0`, "path of its proc directory");
  s.format(pid, path, 6);
  const directory = s.get("open its proc directory", "openat", [AT_FDCWD, path, O.PATH | O.CLOEXEC, 0]);
  const ns = s.get("open its network namespace", "openat", [directory, "ns/net", O.RDONLY | O.CLOEXEC, 0]);
  const socket = open(s);
  for (const d of devices) {
    const { bytes, fdAt } = moveLink(d.index, d.name);
    const message = blockOf("message", bytes);
    s.store(ns, message, fdAt, 4);
    ask(s, socket, `move the interface ${d.from}`, message);
  }
  for (const fd of [directory, ns, socket]) s.call("close what was for that", "close", [fd]);
}

/** Inside: gives them back the addresses that the move took from them, and brings them up. */
export function configureDevices(s: SectionBuilder, devices: readonly MovedDevice[]): void {
  if (devices.length === 0) return;
  const socket = open(s);
  for (const d of devices) {
    for (const a of d.addresses)
      ask(s, socket, `give ${d.name} an address back`, blockOf("message", addAddress(d.index, a)));
    ask(s, socket, `bring ${d.name} up`, blockOf("message", linkUp(d.index)));
  }
  s.call("close the socket", "close", [socket]);
}
