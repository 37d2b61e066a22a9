import { KILL_EVERYTHING, type SignalName, signalName } from "../kernel/signals.ts";
import { claim } from "./claim.ts";
import { collected, type Encoding, type Exchanged, fed, type StreamOptions, type Written } from "./exchange.ts";
import { withState } from "./noted.ts";
import type { ContainerOptions } from "./options.ts";
import { type Prepared, prepare } from "./prepare.ts";
import { checkCommand } from "./shape.ts";
import { type Started, start } from "./start.ts";
import { checkStreams, outputs } from "./streams.ts";
import type { BlockedSyscall } from "./syscalls.ts";

/** How a run went. Sizes are bytes, times seconds. */
export type RunResult<E extends Encoding = "utf8"> = {
  readonly command: readonly string[];
  /** As a shell has it: 128 + n after signal n. */
  readonly exitCode: number;
  readonly signal: SignalName | undefined;
  readonly stdout: Written<E>;
  readonly stderr: Written<E>;
  /** It wrote more than `maxOutput`, and was killed for it. */
  readonly outputExceeded: boolean;
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

export type RunOptions<E extends Encoding = "utf8"> = ContainerOptions & StreamOptions<E>;

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

export function resultOf<E extends Encoding>(
  command: readonly string[],
  { ending: e, ...written }: Exchanged<E>,
  wallTime: number,
  { notApplied, answers }: Pick<Prepared, "notApplied" | "answers">,
): RunResult<E> {
  const { timedOut, oomKilled, peakMemory, cpuTime } = e;
  // The kernel ends a first process that way, too; we can do so by SIGKILL only.
  const forbidden = answers?.blocked.at(-1)?.action === "killed" && e.signal === SIGKILL;
  const signal = forbidden ? SIGSYS : e.signal;
  return {
    command,
    exitCode: forbidden ? 128 + SIGSYS : e.exitCode,
    signal: signal ? signalName(signal) : undefined,
    ...written,
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

/**
 * Runs a command in a new container and waits for its end. Nothing of it is left afterwards, unless `keep` is set.
 *
 * Rejects with InvalidOptionError (nothing was touched) or StepError (what was done was undone). A command that
 * fails is not an error: see `exitCode`.
 */
export async function run<E extends Encoding = "utf8">(
  command: readonly string[],
  options: RunOptions<E> = {},
): Promise<RunResult<E>> {
  const { input, stdout = "pipe", stderr = "pipe", signal, encoding: _, maxOutput: __, ...container } = options;
  checkCommand(command);
  checkStreams(options);
  signal?.throwIfAborted();
  const began = performance.now();
  const prepared = await withState(await claim(await prepare(container, command)), command);
  const stdin = input === undefined ? { kind: "null" as const } : { kind: "pipe" as const };
  const started = await start(prepared, [stdin, outputs[stdout], outputs[stderr]]);
  const stop = abortWith(signal, started);
  try {
    const all = await collected(
      { ...started, ended: fed(started, input) },
      () => started.kill(KILL_EVERYTHING),
      options,
    );
    const wallTime = (performance.now() - began) / 1000;
    return resultOf(command, all, wallTime, prepared);
  } finally {
    stop();
  }
}
