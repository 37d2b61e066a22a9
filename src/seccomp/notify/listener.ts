import { readFileSync } from "node:fs";
import { FD, keepOnly, WATCHED } from "../../compile/descriptors.ts";
import { errno } from "../../kernel/errno.ts";
import { P_PID, PR, SECCOMP_ADDFD, SECCOMP_CONTINUE, SECCOMP_IOCTL, WEXITED } from "../../kernel/flags.ts";
import { signalNumber } from "../../kernel/signals.ts";
import { frameHeader, KIND } from "../../program/frames.ts";
import { launcher } from "../../program/launcher.ts";
import { performSteps, reap } from "../../program/steps.ts";
import type { Block } from "../../program/types.ts";
import { into, struct } from "../../program/values.ts";
import { CallGoneError, callOf, NOTIFICATION, type Notification, readNotification, type SyscallReply } from "./call.ts";

const SIGKILL = 9;
const HEADER = 16;
/** Calls that one process waits for before another takes its place. */
const TIMES = 128;

/** What answers: a reply, or "learn": each call is let through, and told of. */
export type Answerer =
  | { readonly kind: "ask"; readonly ask: (n: Notification, call: ReturnType<typeof callOf>) => Promise<SyscallReply> }
  | { readonly kind: "learn"; readonly seen: (n: Notification) => void };

/** The number of the listener in the launcher: taken out of the process that has it, which then ends. */
async function takeFrom(taker: number, fd: number): Promise<number> {
  const done = await performSteps((s) => {
    const pidfd = s.get("find the taker", "pidfd_open", [taker, 0]);
    const listener = s.get("take the listener", "pidfd_getfd", [pidfd, fd, 0]);
    s.call("end the taker", "pidfd_send_signal", [pidfd, SIGKILL, 0, 0]);
    s.call("reap it", "waitid", [P_PID, taker, 0, WEXITED, 0]);
    s.call("let it go", "close", [pidfd]);
    return listener;
  });
  if (done.failure) throw new Error(`take the seccomp listener: errno ${done.failure.errno}`);
  return done.value(done.made);
}

/** A process of the executor which waits for calls and tells this runtime of each. */
async function watcher(listener: number, token: number, learn: boolean): Promise<number> {
  const done = await performSteps((s, program) => {
    const w = program.section("watcher");
    w.call("end when the launcher does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
    keepOnly(w, listener);
    const got = program.slot("a call");
    for (let i = 0; i < TIMES; i++) {
      const frame: Block = { name: "call", bytes: frameHeader(KIND.event, token, NOTIFICATION.size), pointers: [] };
      // ENOENT: the caller was killed, or took a signal, before it was told of.
      w.call("wait for a call", "ioctl", [WATCHED, SECCOMP_IOCTL.RECV, into(frame, HEADER)], {
        ignore: ["ENOENT"],
        retries: 255,
        result: got,
      });
      w.skipIf(got, "<", 0, () => {
        w.call("tell of it", "write", [FD.CONTROL, frame, frame.bytes.length]);
        if (learn) letThrough(w, WATCHED, frame);
      });
    }
    w.exit(0);
    return s.spawn("watch the system calls", w);
  }, token);
  return done.value(done.made);
}

/** Without asking. The answer has the number of the question: steps cannot copy from data to data, so the kernel does. */
function letThrough(w: Parameters<Parameters<typeof performSteps>[0]>[0], listener: number, frame: Block): void {
  const response = struct("seccomp_notif_resp", [
    [8, 0],
    [8, 0],
    [4, 0],
    [4, SECCOMP_CONTINUE],
  ]);
  const local = struct("iovec", [
    [8, into(response)],
    [8, 8],
  ]);
  const remote = struct("iovec", [
    [8, into(frame, HEADER)],
    [8, 8],
  ]);
  const self = w.get("ask for the own pid", "getpid", []);
  w.call("copy its number", "process_vm_readv", [self, local, 1, remote, 1, 0]);
  w.call("let it through", "ioctl", [listener, SECCOMP_IOCTL.SEND, response], { ignore: ["ENOENT"] });
}

async function stillThere(listener: number, id: bigint): Promise<boolean> {
  const done = await performSteps((s) => {
    const block = struct("id", [[8, id]]);
    return s.get("does the call wait yet?", "ioctl", [listener, SECCOMP_IOCTL.ID_VALID, block], { ignore: "all" });
  });
  return done.value(done.made) === 0;
}

async function send(listener: number, n: Notification, reply: SyscallReply): Promise<void> {
  if (typeof reply === "object" && "fd" in reply) return sendFile(listener, n, reply.fd, reply.closeOnExec !== false);
  if (typeof reply === "object" && "kill" in reply) {
    // A first process of a PID namespace only takes SIGKILL.
    const signal = isFirst(n.pid) ? SIGKILL : (signalNumber(reply.kill) ?? SIGKILL);
    if (await stillThere(listener, n.id)) process.kill(n.pid, signal);
    // The signal comes first once the call is over, whatever it gave.
    return send(listener, n, { errno: "ENOSYS" });
  }
  const through = reply === "continue";
  const response = struct("seccomp_notif_resp", [
    [8, n.id],
    [8, !through && "value" in reply ? BigInt.asUintN(64, BigInt(reply.value)) : 0],
    [4, !through && "errno" in reply ? -errno(reply.errno) : 0],
    [4, through ? SECCOMP_CONTINUE : 0],
  ]);
  await performSteps((s) =>
    s.call("answer", "ioctl", [listener, SECCOMP_IOCTL.SEND, response], { ignore: ["ENOENT"] }),
  );
}

/** proc_pid_status(5): its number in each namespace that it is in, the innermost last. */
function isFirst(pid: number): boolean {
  try {
    return /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** The file is one of this runtime's: the launcher takes it from here, and hands it on with the answer. */
async function sendFile(listener: number, n: Notification, fd: number, closeOnExec: boolean): Promise<void> {
  const CLOEXEC = 0o2000000;
  await performSteps((s) => {
    const own = s.get("find this runtime", "pidfd_open", [process.pid, 0]);
    const file = s.get("take the file", "pidfd_getfd", [own, fd, 0]);
    const addfd = struct("seccomp_notif_addfd", [
      [8, n.id],
      [4, SECCOMP_ADDFD.SEND],
      [4, 0],
      [4, 0],
      [4, closeOnExec ? CLOEXEC : 0],
    ]);
    s.store(file, addfd, 12, 4);
    s.call("answer with the file", "ioctl", [listener, SECCOMP_IOCTL.ADDFD, addfd], { ignore: ["ENOENT"] });
    for (const d of [own, file]) s.call("close what was for that", "close", [d]);
  });
}

/**
 * Answers the calls of whoever has the filter, until stopped. A handler that fails is told to `failed`, and its call
 * is refused: nothing waits for ever.
 */
export async function listen(
  taker: { readonly pid: number; readonly fd: number },
  answerer: Answerer,
  failed: (e: Error) => void,
): Promise<() => Promise<void>> {
  const l = launcher();
  const token = l.token();
  const listener = await takeFrom(taker.pid, taker.fd);
  let [pid, count, over] = [0, 0, false];
  const answer = async (n: Notification) => {
    if (answerer.kind === "learn") return answerer.seen(n);
    let reply: SyscallReply = { errno: "EPERM" };
    try {
      reply = await answerer.ask(
        n,
        callOf(n, () => stillThere(listener, n.id)),
      );
    } catch (e) {
      if (e instanceof CallGoneError) return;
      failed(e as Error);
    }
    if (!over) await send(listener, n, reply);
  };
  l.listen(token, ({ kind, payload }) => {
    if (kind !== KIND.event) return;
    answer(readNotification(payload)).catch(failed);
    if (++count < TIMES) return;
    count = 0;
    const old = pid;
    void watcher(listener, token, answerer.kind === "learn").then((next) => {
      pid = next;
      return reap(old);
    }, failed);
  });
  pid = await watcher(listener, token, answerer.kind === "learn");
  return async () => {
    if (over) return;
    over = true;
    l.forget(token);
    await performSteps((s) => {
      s.call("end the watcher", "kill", [pid, SIGKILL], { ignore: ["ESRCH"] });
      s.call("reap it", "waitid", [P_PID, pid, 0, WEXITED, 0], { ignore: "all" });
      s.call("close the listener", "close", [listener]);
    });
  };
}
