import { AT_FDCWD, MSG, O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { POLL } from "../../program/poll.ts";
import type { Slot } from "../../program/types.ts";
import { buffer, type Loose, struct, textBlock } from "../../program/values.ts";
import { filterBytes, JEQ, LOAD, op, RET } from "../../seccomp/bpf.ts";
import { AF_UNIX } from "../handover.ts";
import { filterProgram } from "../seccomp.ts";
import { NOTIFY } from "./lifecycle.ts";
import { address } from "./sockets.ts";

const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const EVERYONE = 0o777;
/**
 * How far into a message a line is looked for: BPF has no loops, a socket little room for it (net.core.optmem_max), and
 * a conditional jump goes over 255 instructions at most.
 */
const REACH = 120;
const ALL = 0xffff;
/** As many as may be kept waiting: net.unix.max_dgram_qlen is 10, or more. */
const SENDERS = 16;

const word = (text: string) => [...text].reduce((n, c) => n * 256 + c.charCodeAt(0), 0) >>> 0;

/**
 * A socket filter for messages with the line "READY=1", which is what is passed on: the kernel drops all others. No other
 * field of sd_notify(3) begins with "REA". A load beyond the end of a message drops it, too.
 */
function readyFilter() {
  const search = Array.from({ length: REACH }, (_, at) => [
    op(LOAD, at),
    op(JEQ, word("\nREA"), 2 * (REACH - at - 1) + 1),
  ]);
  const [drop, accept] = [op(RET, 0), op(RET, ALL)];
  return filterBytes([op(LOAD, 0), op(JEQ, word("READ"), 0, 1), accept, ...search.flat(), drop, accept]);
}

const DROP_ALL = filterBytes([op(RET, 0)]);

function attachFilter(s: SectionBuilder, label: string, socket: Loose, bytes: Uint8Array): void {
  const filter = filterProgram(`filter: ${label}`, bytes);
  s.call(label, "setsockopt", [socket, SOL_SOCKET, SO_ATTACH_FILTER, filter, filter.bytes.length]);
}

/** The socket that the container finds at NOTIFY_SOCKET: sd_notify(3). Bound by its name alone, which is short enough for any directory. */
export function listenForReady(s: SectionBuilder, directory: string): Slot {
  const socket = s.get("open the socket for notifications", "socket", [AF_UNIX, SOCK_DGRAM | O.CLOEXEC, 0]);
  attachFilter(s, "hear of nothing but readiness", socket, readyFilter());
  const before = s.get("open the working directory", "openat", [AT_FDCWD, ".", O.PATH | O.CLOEXEC, 0]);
  s.call("enter the directory of the socket", "chdir", [`${directory}/${NOTIFY.directory}`]);
  // A start that was killed may have left one.
  s.call("remove an earlier socket", "unlinkat", [AT_FDCWD, NOTIFY.socket, 0], { ignore: ["ENOENT"] });
  const name = address(NOTIFY.socket);
  s.call("bind the socket", "bind", [socket, name, name.bytes.length]);
  s.call("let every user of the container send", "fchmodat", [AT_FDCWD, NOTIFY.socket, EVERYONE]);
  s.call("go back to the working directory", "fchdir", [before]);
  s.call("close the working directory", "close", [before]);
  return socket;
}

const DIGITS = 7;

/** Sends a text that ends with a number, whose length is known when it is performed. */
function sendNumbered(
  s: SectionBuilder,
  text: string,
  n: Loose,
  send: (length: number, message: ReturnType<typeof textBlock>) => void,
) {
  const message = textBlock(`${text}${"\0".repeat(21)}`, "notification");
  s.format(n, message, text.length);
  for (let digits = 1; digits <= DIGITS; digits++)
    s.skipIf(n, "<", digits === 1 ? 0 : 10 ** (digits - 1), () =>
      s.skipIf(n, ">", 10 ** digits - 1, () => send(text.length + digits, message)),
    );
}

/**
 * Waits until the container says that it is ready, or ends, and tells the service manager, which takes no word from a
 * process in another group. `pid` is the service's main process from then on.
 */
export function passReadiness(s: SectionBuilder, o: { socket: Loose; pidfd: Loose; to: string; pid?: Loose }): void {
  const fds = struct("pollfds of the socket and the container", [
    [4, 0],
    [2, POLL.IN],
    [2, 0],
    [4, 0],
    [2, POLL.IN],
    [2, 0],
  ]);
  s.store(o.socket, fds, 0, 4);
  s.store(o.pidfd, fds, 8, 4);
  s.call("wait until it is ready, or ends", "ppoll", [fds, 2, 0, 0, 8], { ignore: "all" });
  const take = (label: string) =>
    s.get(label, "recvfrom", [o.socket, buffer("notification", 1), 1, MSG.DONTWAIT, 0, 0], { ignore: "all" });
  const got = take("is it ready?");
  const to = address(o.to);
  const send = (length: number, message: ReturnType<typeof textBlock>) =>
    s.call("say that it is ready", "sendto", [o.socket, message, length, 0, to, to.bytes.length], { ignore: "all" });
  const ready = "READY=1\n";
  s.skipIf(got, "<", 0, () => {
    if (o.pid !== undefined) sendNumbered(s, `${ready}MAINPID=`, o.pid, send);
    else send(ready.length, textBlock(ready));
  });
  // Whoever keeps it for the container reads no more of it: what comes must not wait for that.
  attachFilter(s, "hear of nothing more", o.socket, DROP_ALL);
  // Who sent more than the queue takes is waiting: each that is taken lets one of them find the new filter.
  for (let n = 0; n < SENDERS; n++) take("let a sender go on");
}
