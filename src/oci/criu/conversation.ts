import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AF_UNIX, MSG_CMSG_CLOEXEC } from "../../compile/handover.ts";
import { connect } from "../../compile/runtime/sockets.ts";
import { resetSignals } from "../../compile/signals.ts";
import { sendTerminal } from "../../compile/terminal.ts";
import { failureOf } from "../../container/failure.ts";
import { AT_FDCWD, O } from "../../kernel/flags.ts";
import type { ProgramBuilder, SectionBuilder } from "../../program/builder.ts";
import { type Performed, performSteps } from "../../program/steps.ts";
import type { Slot } from "../../program/types.ts";
import { addressOf, high, into, low, stringArray, struct } from "../../program/values.ts";
import { type Request, RequestSchema, type Response, ResponseSchema } from "./protocol/rpc_pb.ts";

/** enum criu_req_type of criu's rpc.proto. */
export const KIND = { DUMP: 1, RESTORE: 2, PRE_DUMP: 4, NOTIFY: 6 } as const;

/** File descriptors that criu is told of by their numbers, in the launcher: above those that it reserves. */
export const FD = { images: 60, work: 61, status: 62 } as const;
const SOCKET = 63;
/** Where criu itself finds the socket. */
const SWRK = 64;
const SOCK_SEQPACKET = 5;
const MSG_NOSIGNAL = 0x4000;
/** It has ended, which is heard next; or has without hearing what was said to it. */
const GONE = ["EPIPE", "ECONNRESET"];
/** Words of a message: what criu says is short, but for the cause of an error. */
const WORDS = 512;
const WORD = 8;
const CMSG = { length: 20, words: 3 } as const;

/** One of the moments of which criu tells: criu(8) "--action-script" has their names. */
export type Moment = { readonly name: string; readonly pid: number; readonly fd: number | undefined };

export type Conversation = {
  readonly criu: string;
  readonly images: string;
  readonly work: string;
  /** A file descriptor of this process, for criu to write to. */
  readonly status?: number | undefined;
  readonly request: Request;
  /** By the launcher, before criu is started, and by criu's own process, before it is criu. */
  readonly before?: (s: SectionBuilder, program: ProgramBuilder) => void;
  readonly become?: (s: SectionBuilder) => void;
  /** Whether to go on. The descriptor is the launcher's. */
  readonly at?: (moment: Moment) => Promise<boolean>;
};

async function steps<T>(write: (s: SectionBuilder, program: ProgramBuilder) => T): Promise<Performed<T>> {
  const done = await performSteps(write);
  if (done.failure) throw failureOf(done.program, done.failure);
  return done;
}

function writeMessage(s: SectionBuilder, fd: Parameters<SectionBuilder["call"]>[2][number], request: Request): void {
  const bytes = toBinary(RequestSchema, request);
  const said = { name: "request", bytes, pointers: [] };
  s.call("say it to criu", "sendto", [fd, said, bytes.length, MSG_NOSIGNAL, 0, 0], { ignore: GONE });
}

function openAt(s: SectionBuilder, path: string, flags: number, number: number): void {
  const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, flags | O.CLOEXEC, 0]);
  s.call(`make it file descriptor ${number}`, "dup3", [fd, number, O.CLOEXEC]);
  s.call(`close ${path}`, "close", [fd]);
}

/** criu as the launcher's child, with one end of a socket: `criu swrk`, as libraries start it. Gives its pid. */
async function start(c: Conversation): Promise<number> {
  const done = await steps((s, program) => {
    c.before?.(s, program);
    openAt(s, c.images, O.RDONLY | O.DIRECTORY, FD.images);
    openAt(s, c.work, O.RDONLY | O.DIRECTORY, FD.work);
    if (c.status !== undefined) openAt(s, `/proc/${process.pid}/fd/${c.status}`, O.WRONLY, FD.status);
    const pair = program.slot("sockets to criu");
    s.call("make the sockets to criu", "socketpair", [AF_UNIX, SOCK_SEQPACKET | O.CLOEXEC, 0, addressOf(pair)]);
    const criu = program.section("criu");
    c.become?.(criu);
    criu.call("keep its end", "dup3", [low(pair), SWRK, 0]);
    resetSignals(criu);
    // It executes iptables(8) and tar(1).
    const envp = stringArray("envp", [`PATH=${process.env["PATH"] ?? ""}`]);
    criu.call(`execute ${c.criu}`, "execve", [c.criu, stringArray("argv", [c.criu, "swrk", String(SWRK)]), envp]);
    const pid = s.spawn("start criu", criu);
    s.call("close criu's end", "close", [low(pair)]);
    s.call("keep ours", "dup3", [high(pair), SOCKET, O.CLOEXEC]);
    s.call("close what it was", "close", [high(pair)]);
    writeMessage(s, SOCKET, c.request);
    return pid;
  });
  return done.value(done.made);
}

const say = (request: Request) => steps((s) => writeMessage(s, SOCKET, request));

type Received = { readonly response: Response; readonly fd: number | undefined };

/** What criu says next; undefined: it has ended. */
async function hear(): Promise<Received | undefined> {
  const done = await steps((s, program) => {
    const slots = (name: string, n: number) => Array.from({ length: n }, (_, i) => program.slot(`${name} ${i}`));
    const [words, control] = [slots("message", WORDS), slots("control message", CMSG.words)];
    const iovec = struct("iovec", [
      [8, addressOf(words[0] as Slot)],
      [8, WORDS * WORD],
    ]);
    const header = struct("msghdr", [
      ...([0, 0] as const).map((n) => [8, n] as const),
      [8, into(iovec)],
      [8, 1],
      [8, addressOf(control[0] as Slot)],
      [8, CMSG.words * WORD],
      [8, 0],
    ]);
    const length = s.get("hear what criu says", "recvmsg", [SOCKET, header, MSG_CMSG_CLOEXEC], { ignore: GONE });
    return { words, control, length };
  });
  const { words, control, length } = done.made;
  const size = done.value(length);
  if (size <= 0) return undefined;
  const view = new DataView(new ArrayBuffer(WORDS * WORD));
  for (const [i, slot] of words.entries())
    for (const [at, half] of [
      [0, "low"],
      [4, "high"],
    ] as const)
      view.setInt32(i * WORD + at, done.value(slot, half), true);
  const response = fromBinary(ResponseSchema, new Uint8Array(view.buffer, 0, size));
  const [first, , third] = control as [Slot, Slot, Slot];
  return { response, fd: done.value(first) === CMSG.length ? done.value(third) : undefined };
}

/** Closes all that was for it, and reaps criu: what it has restored is the launcher's then. */
const end = (pid: number) =>
  steps((s) => {
    for (const fd of [SOCKET, ...Object.values(FD)])
      s.call("close what was for criu", "close", [fd], { ignore: "all" });
    s.call("wait for criu", "wait4", [pid, 0, 0, 0], { ignore: "all" });
  });

/** Asks criu for something, answers what it asks meanwhile, and gives what it says in the end. */
export async function converse(c: Conversation): Promise<Response> {
  const pid = await start(c);
  try {
    for (;;) {
      const heard = await hear();
      if (!heard) return create(ResponseSchema, { type: c.request.type, success: false });
      const { response, fd } = heard;
      if (response.type !== KIND.NOTIFY) return response;
      const { script = "", pid: of = 0 } = response.notify ?? {};
      const goOn = (await c.at?.({ name: script, pid: of, fd })) ?? true;
      await say(create(RequestSchema, { type: KIND.NOTIFY, notifySuccess: goOn }));
    }
  } finally {
    await end(pid);
  }
}

/** A terminal of what is restored goes to whoever takes consoles. */
export const handOver = (fd: number, path: string) =>
  steps((s) => {
    const socket = connect(s, `connect to the console socket ${path}`, path);
    sendTerminal(s, socket, fd);
    for (const n of [socket, fd]) s.call("close what was for that", "close", [n]);
  });
