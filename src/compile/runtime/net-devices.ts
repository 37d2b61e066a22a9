import { O } from "../../kernel/flags.ts";
import { addAddress, linkUp, moveLink } from "../../kernel/rtnetlink.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import { openProc } from "../child.ts";
import type { Context } from "../context.ts";
import type { MovedDevice } from "../job.ts";
import { ask, openNetlink } from "../netlink.ts";

/** Outside: moves each interface to the network namespace of the first process. config-linux.md "Network Devices". */
export function moveDevices(c: Context, s: SectionBuilder, pid: Slot): void {
  const devices = c.job.netDevices ?? [];
  if (devices.length === 0) return;
  const directory = openProc(s, pid);
  const ns = s.get("open its network namespace", "openat", [directory, "ns/net", O.RDONLY | O.CLOEXEC, 0]);
  const socket = openNetlink(s, "ROUTE");
  for (const d of devices) {
    ask(s, socket, `move the interface ${d.from}`, moveLink(d.index, d.name), { holes: { namespace: ns } });
  }
  for (const fd of [directory, ns, socket]) s.call("close what was for that", "close", [fd]);
}

/** Inside: gives them back the addresses that the move took from them, and brings them up. */
export function configureDevices(s: SectionBuilder, devices: readonly MovedDevice[]): void {
  if (devices.length === 0) return;
  const socket = openNetlink(s, "ROUTE");
  for (const d of devices) {
    for (const a of d.addresses) ask(s, socket, `give ${d.name} an address back`, addAddress(d.index, a));
    ask(s, socket, `bring ${d.name} up`, linkUp(d.index));
  }
  s.call("close the socket", "close", [socket]);
}
