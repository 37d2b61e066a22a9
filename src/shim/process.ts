import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { KEPT_TERMINAL } from "../compile/runtime/keeper.ts";
import type { Streams } from "../compile/runtime/lifecycle.ts";
import { type Started, startProgram } from "../container/start.ts";
import { startable } from "../container/templates.ts";
import { errno } from "../kernel/errno.ts";
import { TTY } from "../kernel/flags.ts";
import { failureText } from "../oci/after.ts";
import type { Kept } from "../oci/create.ts";
import { launcher } from "../program/launcher.ts";
import type { Program } from "../program/types.ts";
import { struct } from "../program/values.ts";
import { StepError } from "../values/errors.ts";
import { performed } from "./launch.ts";
import { type Io, type OpenStreams, openStreams, type Whose } from "./streams.ts";
import { StatusError } from "./ttrpc/status.ts";

export type Exit = { readonly status: number; readonly at: number };
/** A process that somebody waits for. */
export type Living = { readonly pid: number; readonly ended: Promise<Exit> };
export const exitedAt = (exit: Exit | undefined) => timestampFromMs(Math.floor(exit?.at ?? 0));

/** The number in an errno's name, or in "errno 1007" for a hook's exit status. */
const numberOf = (name: string): number => (/^errno /.test(name) ? Number(name.slice("errno ".length)) : errno(name));

/** Process 1 of a container, or another one in it. Born by `start`, which is when the keeper performs its program. */
export class KeptProcess {
  readonly io: Io;
  /** Of the host; 0 until it is there. */
  pid = 0;
  started = false;
  exit: Exit | undefined;
  readonly exited: Promise<Exit>;
  #exited: (exit: Exit) => void = () => {};
  #open: OpenStreams | undefined;
  #kept: Started | undefined;

  constructor({ stdin, stdout, stderr, terminal }: Io) {
    this.io = { stdin, stdout, stderr, terminal };
    this.exited = new Promise((resolve) => {
      this.#exited = resolve;
    });
  }

  /** `prepare` compiles the program. Resolves once the keeper has the process, which may still wait for its start. */
  keep(whose: Whose, prepare: (kept: Kept) => Promise<Program>, ended: (exit: Exit) => void): Promise<void> {
    const { terminal } = this.io;
    return this.live(whose, ended, async (streams) => {
      const token = launcher().token();
      const program = await prepare({ token, streams, terminal });
      const kept = await startProgram(launcher(), startable(program), token, [], []);
      this.#kept = kept;
      return { pid: await kept.pid, ended: kept.ended.then((e) => ({ status: e.exitCode, at: e.endedAt })) };
    });
  }

  /** Resolves once it has been made, on streams that are there from before. */
  async live(whose: Whose, ended: (exit: Exit) => void, make: (streams: Streams) => Promise<Living>): Promise<void> {
    const open = await openStreams(this.io, whose);
    let made: Living;
    try {
      made = await make(open.streams);
    } catch (e) {
      open.close();
      throw e instanceof StepError ? new StatusError("unknown", failureText(e.step, numberOf(e.errno))) : e;
    }
    this.pid = made.pid;
    this.#open = open;
    const over = (exit: Exit) => {
      this.exit = exit;
      open.close();
      ended(exit);
      this.#exited(exit);
    };
    // Who waits for it was killed: nobody knows how it ended.
    made.ended.then(over, () => over({ status: UNKNOWN, at: Date.now() }));
  }

  /** It is given up before it was there. */
  giveUp(): void {
    this.exit = { status: 0, at: Date.now() };
    this.#exited(this.exit);
  }

  /** It has begun: its streams are its own from here on. */
  begun(): void {
    this.started = true;
    this.#open?.release();
  }

  /** The keeper has the terminal; its size is set through a copy of the descriptor. pidfd_getfd(2) */
  async resize(columns: number, rows: number): Promise<void> {
    const { supervisor } = this.#kept ?? {};
    if (!this.io.terminal || supervisor === undefined || this.exit) return;
    const size = struct("winsize", [
      [2, rows],
      [2, columns],
      [2, 0],
      [2, 0],
    ]);
    await performed("resize", (s) => {
      const keeper = s.get("find the keeper", "pidfd_open", [supervisor, 0]);
      const master = s.get("take its terminal", "pidfd_getfd", [keeper, KEPT_TERMINAL, 0], { ignore: ["ESRCH"] });
      s.call("set the window size", "ioctl", [master, TTY.TIOCSWINSZ, size], { ignore: ["EIO", "EBADF"] });
      for (const fd of [master, keeper]) s.call("close it", "close", [fd], { ignore: ["EBADF"] });
    });
  }
}
const UNKNOWN = 255;
