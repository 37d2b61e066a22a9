import { spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import type { Duplex } from "node:stream";
import { hostFacts } from "../host/facts.ts";
import { hostArch } from "../kernel/arch.ts";
import { errnoName } from "../kernel/errno.ts";
import { O, SIG_SETMASK } from "../kernel/flags.ts";
import { CaissonError, UnsupportedError } from "../values/errors.ts";
import { ProgramBuilder } from "./builder.ts";
import { encode } from "./encode.ts";
import { executorFile } from "./executor.ts";
import { asked, FRAME_HEADER, type Frame, KIND } from "./frames.ts";
import { executeSealed } from "./seal.ts";
import { buffer, stringArray } from "./values.ts";

const SOCKET = 3;
const RESERVED = 16;
const F_SETFD = 2;

type Handler = (frame: Frame) => void;

/**
 * A resident executor. Starting a process from a JavaScript runtime costs more than a whole container does, so one
 * executor is started once, and programs are sent to it; what it starts are children of a process of 50 KB.
 * When this runtime ends, however it ends, the socket closes, the executor leaves, and its supervisors clean up.
 */
export class Launcher {
  readonly pid: number;
  /** Whose rights it has. */
  readonly uid = hostFacts().uid;
  readonly #socket: Duplex & { ref?(): void; unref?(): void };
  readonly #child: ReturnType<typeof spawn>;
  /** Who waits for the answer to a program, and who listens to what its processes say: either may come first. */
  readonly #answers = new Map<number, Handler>();
  readonly #listeners = new Map<number, Handler>();
  #pending: Uint8Array = new Uint8Array(0);
  #nextToken = 1;
  #busy = 0;
  #dead: Error | undefined;

  constructor() {
    const { path, executed } = executorFile();
    this.#child = spawn(path, [], { stdio: ["inherit", "inherit", "inherit", "pipe"], env: {} });
    this.pid = this.#child.pid ?? 0;
    this.#socket = this.#child.stdio[3] as Duplex & { unref?(): void };
    this.#socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    const ended = (why: string) => this.#fail(new CaissonError(`the executor ended: ${why}`));
    this.#socket.on("error", (e) => ended(e.message));
    this.#child.on("error", (e) => this.#fail(e));
    this.#child.on("exit", (code, signal) => ended(signal ?? `status ${code}`));
    this.#child.unref();
    this.#socket.unref?.();
    this.#seal(path);
    this.#reserve()
      .then(executed)
      .catch((e: Error) => this.#fail(e));
  }

  /**
   * The executor executes a sealed copy of itself: a container could otherwise get at its file through /proc/self/exe
   * (CVE-2019-5736). An answer comes only if that failed; what is sent meanwhile waits in the socket for the copy.
   */
  #seal(path: string): void {
    const program = new ProgramBuilder(hostArch());
    const s = program.section("launcher");
    executeSealed(s, path, stringArray("argv", ["caisson"]));
    this.#ask(encode(program.build()), this.token(), ({ payload }) =>
      this.#fail(
        new Error(
          `the executor could not seal itself: ${errnoName(payload.byteLength ? payload.getInt32(16, true) : 0)}`,
        ),
      ),
    );
  }

  #ask(program: Uint8Array, token: number, answer: Handler): void {
    this.#answers.set(token, answer);
    this.#socket.write(asked(program, token));
  }

  /**
   * Takes the low file descriptors, so that programs can move what they open there onto fixed numbers. And signals, which a
   * terminal sends to this runtime and to all that it has started: what they do is this runtime's to say, and a supervisor
   * that was born a moment ago is to find them when it is ready to.
   */
  #reserve(): Promise<unknown> {
    const program = new ProgramBuilder(hostArch());
    const s = program.section("launcher");
    const all = buffer("all signals", 8);
    all.bytes.fill(0xff);
    s.call("block all signals", "rt_sigprocmask", [SIG_SETMASK, all, 0, 8]);
    for (let fd = SOCKET + 1; fd < RESERVED; fd++)
      s.call(`reserve file descriptor ${fd}`, "dup3", [SOCKET, fd, O.CLOEXEC]);
    s.call("close the socket at exec", "fcntl", [SOCKET, F_SETFD, 1]);
    return this.perform(encode(program.build()));
  }

  token(): number {
    return this.#nextToken++;
  }

  /** Sends a program; resolves with its slots once its first section is performed. */
  async perform(program: Uint8Array, token = this.token()): Promise<Int32Array> {
    if (this.#dead) throw this.#dead;
    this.hold();
    try {
      const { kind, payload } = await new Promise<Frame>((resolve) => this.#ask(program, token, resolve));
      if (kind === KIND.malformed) throw this.#dead ?? new Error("the executor refused the program as malformed");
      const { buffer, byteOffset, byteLength } = payload;
      return new Int32Array(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
    } finally {
      this.#answers.delete(token);
      this.release();
    }
  }

  /** Calls `handler` for each record that processes of a program write with this token. */
  listen(token: number, handler: Handler): void {
    this.#listeners.set(token, handler);
  }

  forget(token: number): void {
    this.#listeners.delete(token);
  }

  /** Keeps this runtime alive until as many calls of release(). */
  hold(): void {
    if (this.#busy++ === 0) this.#socket.ref?.();
  }

  release(): void {
    if (--this.#busy === 0) this.#socket.unref?.();
  }

  close(): void {
    this.#dead = new Error("the launcher was closed");
    this.#socket.destroy();
  }

  #fail(e: Error): void {
    if (this.#dead) return;
    this.#dead = e;
    const handlers = [...this.#answers.values(), ...this.#listeners.values()];
    this.#answers.clear();
    this.#listeners.clear();
    for (const handler of handlers) handler({ kind: KIND.malformed, payload: new DataView(new ArrayBuffer(0)) });
  }

  get dead(): boolean {
    return this.#dead !== undefined;
  }

  #receive(chunk: Uint8Array): void {
    let bytes = chunk;
    if (this.#pending.length) {
      bytes = new Uint8Array(this.#pending.length + chunk.length);
      bytes.set(this.#pending);
      bytes.set(chunk, this.#pending.length);
    }
    let at = 0;
    while (bytes.length - at >= FRAME_HEADER) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, bytes.length - at);
      const length = view.getUint32(0, true);
      if (length > view.byteLength) break;
      const payload = new DataView(view.buffer, view.byteOffset + FRAME_HEADER, length - FRAME_HEADER);
      const kind = view.getUint32(8, true);
      const handlers = kind <= KIND.malformed ? this.#answers : this.#listeners;
      handlers.get(view.getUint32(4, true))?.({ kind, payload });
      at += length;
    }
    this.#pending = bytes.slice(at);
  }
}

let shared: Launcher | undefined;

/** This runtime's launcher, started on first use; one that has rights which this runtime gave up since is not used again. */
export function launcher(): Launcher {
  if (!shared && readlinkSync("/proc/self") !== String(process.pid))
    throw new UnsupportedError("procfs", "what is on /proc is of another PID namespace: mount -t proc proc /proc");
  if (!shared || shared.dead || shared.uid !== hostFacts().uid) shared = new Launcher();
  return shared;
}
