import { closeSync, openSync } from "node:fs";
import { AT_FDCWD, O, SIG_SETMASK } from "../kernel/flags.ts";
import { launcher } from "../program/launcher.ts";
import { performSteps, reap } from "../program/steps.ts";
import { addressOf, buffer, low, textBlock } from "../program/values.ts";
import { CaissonError } from "../values/errors.ts";
import { type Freezer, freeze, freezerWrite, isAsked, thaw } from "./freezer.ts";

/**
 * A process of its own which thaws the group when this runtime lets go of a pipe: also when it is killed. So no group
 * stays frozen because of what froze it for a moment only.
 */
async function thawAtEnd(f: Freezer): Promise<() => Promise<void>> {
  const { path, text } = freezerWrite(f, false);
  const done = await performSteps((s, program) => {
    const guard = program.section("guard");
    const pipe = program.slot("pipe of the guard");
    s.call("make the pipe of the guard", "pipe2", [addressOf(pipe), O.CLOEXEC]);
    const pid = s.spawn("start the guard", guard);
    s.call("close the guard's end", "close", [low(pipe)]);
    guard.call("leave the caller's session", "setsid", []);
    const mask = buffer("all signals", 8);
    mask.bytes.fill(0xff);
    guard.call("block all signals", "rt_sigprocmask", [SIG_SETMASK, mask, 0, 8]);
    guard.call("keep the pipe", "dup3", [low(pipe), 0, 0]);
    guard.call("close all else", "close_range", [1, 0xffffffff, 0]);
    guard.call("wait until it is let go", "read", [0, buffer("one byte", 1), 1]);
    const fd = guard.get(`open ${path}`, "openat", [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0], { ignore: "all" });
    const block = textBlock(text);
    guard.call("thaw", "write", [fd, block, block.bytes.length], { ignore: "all" });
    guard.exit(0);
    return { pid, pipe };
  });
  if (done.failure) throw new CaissonError(`start a guard of the freeze: errno ${done.failure.errno}`);
  const { pid, pipe } = done.made;
  const theirs = done.value(pipe, "high");
  const own = openSync(`/proc/${launcher().pid}/fd/${theirs}`, "w");
  await performSteps((s) => s.call("close our side", "close", [theirs]));
  return async () => {
    closeSync(own);
    await reap(done.value(pid));
  };
}

/** Does `work` while nothing in the group moves. What was frozen before stays so. */
export async function whileFrozen<T>(f: Freezer, ms: number, work: () => Promise<T> | T): Promise<T> {
  if (isAsked(f)) {
    await freeze(f, ms);
    return work();
  }
  const end = await thawAtEnd(f);
  try {
    await freeze(f, ms);
    return await work();
  } finally {
    thaw(f);
    await end();
  }
}
