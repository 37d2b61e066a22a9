import type { Readable, Writable } from "node:stream";
import { KILL_EVERYTHING, signalNumber } from "../kernel/signals.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { Ending } from "./record.ts";
import type { Started } from "./start.ts";

/** A process that runs in a container: streams with the kernel's back-pressure, and its end. */
export class ContainerProcess {
  readonly command: readonly string[];
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** The process as the host sees it, once it is executed. */
  readonly pid: Promise<number>;
  /** Resolves when it has ended; rejects if it could not start. */
  readonly ended: Promise<Ending>;
  readonly #started: Started;

  constructor(command: readonly string[], started: Started) {
    this.command = command;
    this.#started = started;
    this.stdin = started.stdin;
    this.stdout = started.stdout;
    this.stderr = started.stderr;
    this.pid = started.pid;
    this.ended = started.ended;
  }

  /** Sends a signal, by name or number; SIGKILL ends it for certain. */
  kill(signal: string | number = "SIGTERM"): void {
    this.#started.kill(checkedSignal(signal));
  }

  /** Standard output line by line, as it comes. */
  async *lines(): AsyncGenerator<string> {
    const { createInterface } = await import("node:readline");
    // Of what was read to its end readline would wait for more.
    if (!this.stdout || this.stdout.readableEnded || this.stdout.destroyed) return;
    yield* createInterface({ input: this.stdout, crlfDelay: Number.POSITIVE_INFINITY });
  }
}

const SIGKILL = 9;
/** SIGKILL is the supervisor's own, so that it can clean up: it gets another that means the same. */
export function checkedSignal(signal: string | number): number {
  const n = signalNumber(signal);
  if (n === undefined) throw new InvalidOptionError("signal", signal, 'a signal such as "SIGTERM" or 15');
  return n === SIGKILL ? KILL_EVERYTHING : n;
}
