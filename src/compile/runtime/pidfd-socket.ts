import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import type { Loose } from "../../program/values.ts";
import { sendDescriptor } from "../handover.ts";
import type { Caller } from "./lifecycle.ts";
import { connect } from "./sockets.ts";

/** Before anything is made: a socket that nobody listens at is an error of the caller's. */
export const connectForPidfd = (s: SectionBuilder, { pidfdSocket }: Caller): Slot | undefined =>
  pidfdSocket === undefined ? undefined : connect(s, `connect to the socket for the pidfd ${pidfdSocket}`, pidfdSocket);

/** pidfd_open(2): by it the caller can wait for the process and send it signals, and can never mean another one. The text is as runc has it. */
export function sendPidfd(s: SectionBuilder, socket: Slot | undefined, pidfd: Loose, text: "standard" | "setns"): void {
  if (!socket) return;
  sendDescriptor(s, "hand the pidfd over", socket, pidfd, text);
  s.call("close the socket for the pidfd", "close", [socket]);
}
