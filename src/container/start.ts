import { openSync } from "node:fs";
import type { Readable, Writable } from "node:stream";
import { signalEach } from "../cgroups/kill.ts";
import { layout } from "../cgroups/look.ts";
import { ensureDelegation } from "../cgroups/systemd.ts";
import { compile } from "../compile/compile.ts";
import { pipeName } from "../compile/exec.ts";
import { isLeftToCommand, type Job, type Stdio } from "../compile/job.ts";
import { TAKER } from "../compile/notify.ts";
import { partsFor } from "../compile/parts.ts";
import type { Spec } from "../compile/spec.ts";
import { forgetMounts } from "../host/facts.ts";
import { KIND } from "../program/frames.ts";
import { type Launcher, launcher } from "../program/launcher.ts";
import { performSteps } from "../program/steps.ts";
import type { Program } from "../program/types.ts";
import { CaissonError, UnsupportedError } from "../values/errors.ts";
import { unclaim } from "./claim.ts";
import { failureOf } from "./failure.ts";
import { readPipe, writePipe } from "./pipes.ts";
import type { Prepared } from "./prepare.ts";
import { reapSoon } from "./reap.ts";
import { type Ending, type Failure, readEnding, readFailure } from "./record.ts";
import { makeNextSpare, takeSpare } from "./spare.ts";
import { dataDirectory, finishNoted, inodeOf, removeLeft } from "./state.ts";
import type { Answers } from "./syscalls.ts";
import { fromTemplate, isTemplate, type Startable, startable } from "./templates.ts";
import { watchSupervisor } from "./watchdog.ts";

const SIGKILL = 9;

/** A process of a container that this runtime started: its streams, and how it ends. */
export type Started = {
  /** The process, as the host sees it. */
  readonly pid: Promise<number>;
  readonly supervisor: number;
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Rejects with a StepError if it did not start. */
  readonly ended: Promise<Ending>;
  /** Sends a signal: nothing happens once it has ended. */
  kill(signal: number): void;
  /** It has ended, or nobody is there any more who would tell of its end. */
  isOver(): boolean;
  /** This runtime need not wait for it any more before it ends. */
  leave(): void;
  /** It is to wait for it again. */
  stay(): void;
  /** The pipes of the warm pool: our ends. */
  readonly warm?: { readonly to: number; readonly from: number };
};

/** Answers the calls of a filter that was told of. */
export const answering = (answers: Answers, spec: Spec) => async (taker: { pid: number; fd: number }) =>
  (await import("../seccomp/notify/listener.ts")).listen(taker, answers.answererFor(spec), (e) =>
    answers.failures.push(e),
  );

/** Containers that are not there yet. */
let starting = 0;

async function counted(start: () => Promise<Started>): Promise<Started> {
  const done = () => void starting--;
  starting++;
  try {
    const started = await start();
    started.pid.then(done, done);
    return started;
  } catch (e) {
    done();
    throw e;
  }
}

/** Performs a program by way of the launcher. `alter` lets tests make a step of it fail. */
export async function start(
  p: Prepared,
  stdio: Job["stdio"],
  how: { readonly survive?: boolean; readonly alter?: (p: Program) => Program } = {},
): Promise<Started> {
  const undo: (() => Promise<void> | void)[] = [];
  const finish = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const { cni } = p.network;
    if (cni) undo.push(await (await import("./cni.ts")).connectCni(cni, p.job.name));
    if (p.view) {
      const { view } = p;
      const { makeView, removeView, serveView } = await import("./view.ts");
      undo.push(() => removeView(view));
      makeView(view);
      undo.push(await serveView(view, (e) => p.answers?.failures.push(e)));
    }
    const job = { ...p.job, alone: starting === 0 };
    const started = await counted(() => startPrepared({ ...p, job }, stdio, how));
    if (undo.length === 0) return started;
    const ended = started.ended.finally(finish);
    ended.catch(() => {});
    return { ...started, ended };
  } catch (e) {
    await unclaim(p);
    await finish();
    throw e;
  }
}

async function startPrepared(
  p: Prepared,
  stdio: Job["stdio"],
  how: { readonly survive?: boolean; readonly alter?: (p: Program) => Program },
): Promise<Started> {
  const l = launcher();
  if (p.job.cgroup.groups.length) await ensureDelegation(layout(), l.pid);
  const token = l.token();
  const report = { to: "library", token, survive: how.survive === true } as const;
  // A container that only waits has no filter: each process that is started in it has one.
  const answers = p.job.idle ? undefined : p.answers;
  if (answers && (p.job.warm || how.survive))
    throw new UnsupportedError(
      "onSyscall",
      "system calls are answered for as long as this program runs: a container that outlives it, or waits in a pool, can have none",
    );
  const told = answers?.apply(p.spec);
  // Tests that make each step fail have the same program each time.
  const spare = how.alter ? undefined : takeSpare(l, p.spec, p.job);
  const job = { ...p.job, stdio, report, ...(told && { notify: told.notify }), ...(spare && { spare }) };
  const parts = await partsFor(job);
  const compiled = () => compile(told?.spec ?? p.spec, p.facts, job, parts);
  const started = await startProgram(
    l,
    how.alter
      ? startable(how.alter(compiled()))
      : isTemplate(p, job)
        ? fromTemplate(p, job, parts)
        : startable(compiled()),
    token,
    stdio,
    p.job.cgroup.groups.flatMap((g) => g.reads.map((r) => r.key)),
    answers && answering(answers, p.spec),
    ({ isLeft }) => isLeft && p.job.state && removeLeft(p.job.state.directory, dataDirectory(p.job.name)),
  );
  if (spare !== undefined) started.pid.then(() => makeNextSpare(l)).catch(() => {});
  const { state } = p.job;
  if (!state || !isLeftToCommand(p.job)) return started;
  const own = started.pid.then(() => inodeOf(state.directory)).catch(() => undefined);
  const ended = started.ended.then(async (e) => {
    // Its name may be another's by now.
    if ((await own) === inodeOf(state.directory)) await finishNoted(state.directory, dataDirectory(p.job.name));
    return e;
  });
  ended.catch(() => {});
  return { ...started, ended };
}

export async function startProgram(
  l: Launcher,
  given: Startable,
  token: number,
  stdio: readonly Stdio[],
  fileKeys: readonly string[],
  /** Is told where the seccomp listener is; what it gives is called at the end. */
  onListener?: (taker: { pid: number; fd: number }) => Promise<() => Promise<void>>,
  /** Is told of a failure, once all has been undone that a program can undo. */
  onFailure?: (failure: Failure) => void,
): Promise<Started> {
  // Once it has started no step of it fails any more: who holds many containers need not hold their programs.
  let program: (() => Program) | undefined = given.program;
  const { slots: names } = given;
  let [began, ended] = [(_: number) => {}, (_: Ending) => {}];
  let failed = (_: Error) => {};
  const pid = new Promise<number>((resolve, reject) => {
    began = resolve;
    failed = reject;
  });
  pid.catch(() => {});
  let endFailed = (_: Error) => {};
  const ending = new Promise<Ending>((resolve, reject) => {
    ended = resolve;
    endFailed = reject;
  });
  ending.catch(() => {});
  let offered = (_: number) => {};
  const listenerFd = new Promise<number>((resolve) => {
    offered = resolve;
  });
  let stopAnswering: Promise<() => Promise<void>> | undefined;
  let over = false;
  let held = true;
  const leave = () => {
    if (held) l.release();
    held = false;
  };
  const stay = () => {
    if (!held && !over) l.hold();
    held ||= !over;
  };
  let unwatch = () => {};
  // A command may have ended before it is told where its listener is: who tells of that has its streams open until it is heard.
  let isToTell = onListener !== undefined;
  const finish = (hasEnded = false) => {
    over = true;
    unwatch();
    if (!hasEnded || !isToTell) l.forget(token);
    leave();
  };
  l.hold();
  l.listen(token, (frame) => {
    if (frame.kind === KIND.event) {
      isToTell = false;
      if (over) {
        unwatch();
        l.forget(token);
      }
      return offered(frame.payload.getInt32(0, true));
    }
    if (frame.kind === KIND.started) {
      program = undefined;
      return began(frame.payload.getInt32(0, true));
    }
    if (over) return;
    const failure = frame.kind === KIND.ended ? readFailure(frame.payload) : undefined;
    finish(frame.kind === KIND.ended && !failure);
    if (frame.kind === KIND.ended && !failure) return ended(readEnding(frame.payload, fileKeys));
    forgetMounts();
    if (failure) onFailure?.(failure);
    const error =
      failure && program ? failureOf(program(), failure) : new Error("the executor ended before the container did");
    failed(error);
    endFailed(error);
  });

  let slots: Int32Array;
  try {
    slots = await l.perform(given.bytes, token);
  } catch (e) {
    finish();
    throw e;
  }
  const slot = (name: string, half: 0 | 1 = 0) => slots[2 * names.indexOf(name) + half] ?? -1;
  const supervisor = slot("pid of supervisor");
  const errno = slots[4] ?? 0;
  if (supervisor <= 0) {
    finish();
    throw failureOf(given.program(), { section: slots[0] ?? 0, step: slots[2] ?? 0, errno });
  }
  if (!over)
    unwatch = watchSupervisor(supervisor, () => {
      finish();
      const error = new CaissonError("the container's supervisor was killed");
      failed(error);
      endFailed(error);
    });
  // Its parent reaps it, so that its pid was ours to signal until it said that it ended.
  const reap = () => reapSoon(l, supervisor);
  ending.then(reap, reap);
  if (onListener) {
    const pid = slot(TAKER);
    stopAnswering = listenerFd.then((fd) => onListener({ pid, fd }));
    stopAnswering.catch(() => {});
    // What never handed a listener out has ended its taker by that; it is still to be reaped.
    const reapTaker = () => {
      l.forget(token);
      signalEach([pid], SIGKILL);
      reapSoon(l, pid);
    };
    ending
      .then(() => {
        if (isToTell) unwatch = watchSupervisor(pid, reapTaker);
        return stopAnswering?.then((stop) => stop());
      }, reapTaker)
      .catch(() => {});
  }
  const pipes = stdio.map((plan, n) => (plan.kind === "pipe" ? pipeName(n) : undefined));
  const fd = (n: number, half: 0 | 1) => slot(pipes[n] as string, half);
  const [stdin, stdout, stderr] = [
    pipes[0] ? writePipe(l.pid, fd(0, 1)) : undefined,
    pipes[1] ? readPipe(l.pid, fd(1, 0)) : undefined,
    pipes[2] ? readPipe(l.pid, fd(2, 0)) : undefined,
  ];
  const isWarm = names.includes("pipe of what comes");
  const warm = isWarm
    ? {
        to: openSync(`/proc/${l.pid}/fd/${slot("pipe of what comes", 1)}`, "w"),
        from: openSync(`/proc/${l.pid}/fd/${slot("pipe of the answer", 0)}`, "r"),
      }
    : undefined;
  const open = pipes.flatMap((n) => (n ? [slot(n, 0), slot(n, 1)] : []));
  if (isWarm) for (const name of ["pipe of what comes", "pipe of the answer"]) open.push(slot(name, 0), slot(name, 1));
  if (open.length)
    void performSteps(
      (s) => {
        for (const n of open) s.call("close our side", "close", [n], { ignore: "all" });
      },
      undefined,
      l,
    ).catch(() => {});
  return {
    pid,
    supervisor,
    stdin,
    stdout,
    stderr,
    ended: ending,
    ...(warm && { warm }),
    isOver: () => over,
    leave,
    stay,
    kill(signal) {
      if (!over) signalEach([supervisor], signal);
    },
  };
}
