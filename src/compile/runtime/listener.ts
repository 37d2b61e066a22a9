import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import { buffer, high, type Loose, low } from "../../program/values.ts";
import type { Context } from "../context.ts";
import { messageWith } from "../handover.ts";
import { listenerSlot, notifies } from "../seccomp.ts";
import type { Process } from "../spec.ts";
import { listensEarly } from "./become.ts";
import { type HookStatus, stateText } from "./hooks.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { connect } from "./sockets.ts";

const PID_HOLE = " ".repeat(20);

/** config-linux.md "The Container Process State": what is sent beside the descriptor. */
function processState(c: Context, l: Lifecycle, status: HookStatus) {
  const metadata = c.spec.linux?.seccomp?.listenerMetadata;
  const head = JSON.stringify({ ociVersion: l.ociVersion, fds: ["seccompFd"] }).slice(0, -1);
  const own = `${head},"pid":`;
  const state = stateText(l, status);
  const before = `${own}${PID_HOLE}${metadata === undefined ? "" : `,"metadata":${JSON.stringify(metadata)}`},"state":`;
  const text = `${before}${new TextDecoder().decode(state.block.bytes)}}`;
  const length = (t: string) => new TextEncoder().encode(t).length;
  return { text, pidsAt: [length(own), length(before) + state.pidAt] };
}

/** The descriptor is taken out of the process that loaded the filter, and handed to whoever is to answer. */
function sendListener(
  c: Context,
  s: SectionBuilder,
  l: Lifecycle,
  who: { readonly pid: Loose; readonly pidfd: Loose; readonly status: HookStatus },
): void {
  const { seccomp } = c.spec.linux ?? {};
  const path = seccomp?.listenerPath;
  if (!notifies(seccomp) || path === undefined) return;
  const fd = s.get("take the seccomp listener", "pidfd_getfd", [who.pidfd, listenerSlot(c), 0]);
  const socket = connect(s, `connect to the seccomp agent at ${path}`, path);
  const { text, pidsAt } = processState(c, l, who.status);
  const { header, bytes } = messageWith(s, fd, text);
  for (const at of pidsAt) s.format(who.pid, bytes, at);
  s.call("hand the seccomp listener to the agent", "sendmsg", [socket, header, 0]);
  for (const n of [fd, socket]) s.call("close what was for that", "close", [n]);
}

/** Where there is a listener, it is handed over; a process that waits for that goes on, and says when it is ready. */
export function handListener(
  c: Context,
  s: SectionBuilder,
  l: Lifecycle,
  process: Process,
  o: Parameters<typeof sendListener>[3] & { readonly ready: Slot; readonly settled: Slot },
): void {
  sendListener(c, s, l, o);
  if (!listensEarly(c, process)) return;
  s.call("say that somebody answers", "write", [high(o.settled), "!", 1]);
  s.call("wait until it is ready", "read", [low(o.ready), buffer("one byte", 1), 1]);
  s.check("is it ready?");
}
