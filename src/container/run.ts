import type { Readable, Writable } from "node:stream";
import { KILL_EVERYTHING, type SignalName, signalName } from "../kernel/signals.ts";
import { claim } from "./claim.ts";
import { notedState } from "./noted.ts";
import type { ContainerOptions } from "./options.ts";
import { type Prepared, prepare } from "./prepare.ts";
import type { Ending } from "./record.ts";
import { checkCommand } from "./shape.ts";
import { type Started, start } from "./start.ts";
import { checkStreams, outputs } from "./streams.ts";
import type { BlockedSyscall } from "./syscalls.ts";

/** How a run went. Sizes are bytes, times seconds. */
export type RunResult = {
  readonly command: readonly string[];
  /** As a shell has it: 128 + n after signal n. */
  readonly exitCode: number;
  readonly signal: SignalName | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly oomKilled: boolean;
  readonly peakMemory: number;
  readonly cpuTime: number;
  readonly wallTime: number;
  /** With `reportBlocked`: what the seccomp rules refused, in order; the last of them by itself. */
  readonly blockedSyscalls: readonly BlockedSyscall[];
  readonly blockedSyscall: BlockedSyscall | undefined;
  /** With `learn`: the names of all system calls that were made. */
  readonly learnedSyscalls: readonly string[];
  /** What functions of `onSyscall` threw. */
  readonly handlerErrors: readonly Error[];
  /** What was asked for and could not be applied (rootless), and why. */
  readonly notApplied: readonly string[];
};

export type RunOptions = ContainerOptions & {
  /** What the command reads from standard input. Default: nothing. */
  readonly input?: string | Uint8Array | Readable;
  /** "pipe" (default) collects, "inherit" is the caller's own, "ignore" is /dev/null. */
  readonly stdout?: Output;
  readonly stderr?: Output;
  /** Kills the container when it fires; the run then rejects with its reason. */
  readonly signal?: AbortSignal;
};
export type Output = "pipe" | "inherit" | "ignore";

export async function collect(stream: Readable | undefined): Promise<string> {
  if (!stream) return "";
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString("utf8");
}

/** Gives the input; a command that does not read it all is no error. */
export function feed(stdin: Writable | undefined, input: RunOptions["input"]): void {
  if (!stdin) return;
  stdin.on("error", () => {});
  if (input === undefined || typeof input === "string" || input instanceof Uint8Array) stdin.end(input ?? "");
  else input.pipe(stdin);
}

/** Ends the container when the caller no longer wants it. */
export function abortWith(signal: AbortSignal | undefined, started: Started): () => void {
  if (!signal) return () => {};
  const onAbort = () => started.kill(KILL_EVERYTHING);
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  return () => signal.removeEventListener("abort", onAbort);
}

const SIGKILL = 9;
const SIGSYS = 31;

export function resultOf(
  command: readonly string[],
  e: Ending,
  wallTime: number,
  out: [string, string],
  { notApplied, answers }: Pick<Prepared, "notApplied" | "answers">,
): RunResult {
  const { timedOut, oomKilled, peakMemory, cpuTime } = e;
  // The kernel ends a first process that way, too; we can do so by SIGKILL only.
  const forbidden = answers?.blocked.at(-1)?.action === "killed" && e.signal === SIGKILL;
  const signal = forbidden ? SIGSYS : e.signal;
  return {
    command,
    exitCode: forbidden ? 128 + SIGSYS : e.exitCode,
    signal: signal ? signalName(signal) : undefined,
    stdout: out[0],
    stderr: out[1],
    timedOut,
    oomKilled,
    peakMemory,
    cpuTime,
    wallTime,
    notApplied,
    blockedSyscalls: answers?.blocked ?? [],
    blockedSyscall: answers?.blocked.at(-1),
    learnedSyscalls: [...(answers?.learned ?? [])].sort(),
    handlerErrors: answers?.failures ?? [],
  };
}

/** A container which may make groups of its own, or has an address, is noted, so that what it leaves is found whatever happens to us. */
const withState = async (p: Prepared, command: readonly string[]): Promise<Prepared> =>
  p.job.cgroup.delegated || p.network.request
    ? { ...p, job: { ...p.job, state: await notedState(p, command, { remove: true }) } }
    : p;

/**
 * Runs a command in a new container and waits for its end. Nothing of it is left afterwards, unless `keep` is set.
 *
 * Rejects with InvalidOptionError (nothing was touched) or StepError (what was done was undone). A command that
 * fails is not an error: see `exitCode`.
 */
export async function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, stdout = "pipe", stderr = "pipe", signal, ...container } = options;
  checkCommand(command);
  checkStreams(options);
  signal?.throwIfAborted();
  const began = performance.now();
  const prepared = await withState(await claim(await prepare(container, command)), command);
  const stdin = input === undefined ? { kind: "null" as const } : { kind: "pipe" as const };
  const started = await start(prepared, [stdin, outputs[stdout], outputs[stderr]]);
  const stop = abortWith(signal, started);
  try {
    feed(started.stdin, input);
    const texts = Promise.all([collect(started.stdout), collect(started.stderr)]);
    texts.catch(() => {});
    const ending = await started.ended;
    const wallTime = (performance.now() - began) / 1000;
    signal?.throwIfAborted();
    return resultOf(command, ending, wallTime, await texts, prepared);
  } finally {
    stop();
  }
}
