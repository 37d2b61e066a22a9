import { Buffer } from "node:buffer";
import { closeSync, readSync, writeSync } from "node:fs";
import { FD } from "../compile/descriptors.ts";
import { finishProcess } from "../compile/init.ts";
import { KILL_EVERYTHING } from "../kernel/signals.ts";
import { ProgramBuilder } from "../program/builder.ts";
import { encode } from "../program/encode.ts";
import { asked } from "../program/frames.ts";
import type { Program } from "../program/types.ts";
import { isCode } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import { parseCount } from "../values/units.ts";
import { claim } from "./claim.ts";
import { collected } from "./exchange.ts";
import { failureOf } from "./failure.ts";
import { withState } from "./noted.ts";
import type { ContainerOptions } from "./options.ts";
import { PIPES, type Prepared, prepare } from "./prepare.ts";
import { type RunResult, resultOf } from "./run.ts";
import { checkCommand } from "./shape.ts";
import { type Started, start } from "./start.ts";

type Waiting = { readonly prepared: Prepared; readonly started: Started; readonly to: number; readonly from: number };

/** Containers whose program was performed up to its last steps ahead of time. Each is used once and thrown away. */
export class ContainerPool {
  readonly #options: ContainerOptions;
  readonly #size: number;
  readonly #waiting: Promise<Waiting>[] = [];
  #closed = false;

  constructor(options: ContainerOptions, size: number) {
    this.#options = options;
    this.#size = size;
  }

  async fill(): Promise<void> {
    while (!this.#closed && this.#waiting.length < this.#size) {
      const next = this.#start();
      next.catch(() => {});
      this.#waiting.push(next);
    }
    await Promise.all(this.#waiting);
  }

  async #start(): Promise<Waiting> {
    const waiting = ["(waiting)"];
    const prepared = await withState(await claim(await prepare(this.#options, waiting)), waiting);
    const started = await start({ ...prepared, job: { ...prepared.job, warm: true } }, PIPES);
    const { warm } = started;
    if (!warm) throw new TypeError("a container of a pool has no pipe");
    await started.pid;
    return { prepared, started, ...warm };
  }

  /** Runs a command in a container that is waiting already; another takes its place. */
  async run(command: readonly string[]): Promise<RunResult> {
    checkCommand(command);
    if (this.#closed) throw new CaissonError("the pool was disposed of: nothing is started from it");
    const began = performance.now();
    const { prepared, started, from, program } = await this.#given(command);
    started.stdin?.end();
    const all = await collected(started, () => started.kill(KILL_EVERYTHING));
    const wallTime = (performance.now() - began) / 1000;
    const answer = Buffer.alloc(16 + 8 * 3);
    // An answer comes only when the command could not be executed: at exec the pipe closes.
    const said = readSync(from, answer, 0, answer.length, null);
    closeSync(from);
    void this.fill().catch(() => {});
    if (said === answer.length) {
      const [section, step, errno] = [16, 24, 32].map((at) => Number(answer.readBigInt64LE(at))) as [
        number,
        number,
        number,
      ];
      throw failureOf(program, { section, step, errno });
    }
    return resultOf(command, all, wallTime, prepared);
  }

  /** The first that waits gets the command; those that were killed meanwhile are thrown away. */
  async #given(command: readonly string[]): Promise<Waiting & { readonly program: Program }> {
    for (;;) {
      const first = this.#waiting.shift();
      const waiting = await (first ?? this.#start());
      const program = lastSteps(waiting.prepared, command);
      const isThere = !waiting.started.isOver() && send(waiting.to, asked(encode(program, false)));
      closeSync(waiting.to);
      if (isThere) return { ...waiting, program };
      closeSync(waiting.from);
      destroyStreams(waiting.started);
      if (!first) throw new CaissonError("a container of the pool was killed as it was given its command");
    }
  }

  /** Throws away those that wait. */
  async dispose(): Promise<void> {
    this.#closed = true;
    for (const waiting of this.#waiting.splice(0)) {
      const made = await waiting.catch(() => undefined);
      if (!made) continue;
      const { started, to, from } = made;
      started.kill(KILL_EVERYTHING);
      destroyStreams(started);
      // One that was killed is gone, too.
      await started.ended.catch(() => {});
      closeSync(to);
      closeSync(from);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

/** Whether there was somebody to read it. */
function send(pipe: number, bytes: Uint8Array): boolean {
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(pipe, bytes, done);
    return true;
  } catch (e) {
    if (isCode(e, "EPIPE")) return false;
    throw e;
  }
}

function destroyStreams({ stdin, stdout, stderr }: Started): void {
  for (const stream of [stdin, stdout, stderr]) stream?.destroy();
}

function lastSteps(p: Prepared, command: readonly string[]) {
  const program = new ProgramBuilder(p.facts.arch);
  const { process } = p.spec;
  if (!process) throw new TypeError("a container without a process");
  const spec = { ...p.spec, process: { ...process, args: command } };
  const job = { ...p.job, stdio: PIPES, report: { to: "nobody" } as const };
  finishProcess({ spec, facts: p.facts, job, program }, program.section("command"), FD.WARM + 1);
  return program.build();
}

/** A pool of `size` containers of these options, ready when it resolves. */
export async function containerPool(options: ContainerOptions & { readonly size: number }): Promise<ContainerPool> {
  const { size, ...rest } = options;
  const pool = new ContainerPool(rest, parseCount("size", size, 1));
  await pool.fill();
  return pool;
}
