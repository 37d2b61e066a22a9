import { PR, SIG_SETMASK } from "../kernel/flags.ts";
import { performSteps, reap } from "../program/steps.ts";
import { buffer } from "../program/values.ts";
import { CaissonError } from "../values/errors.ts";
import { signalEach } from "./kill.ts";

const SIGKILL = 9;

/** A process that does nothing, in a session of its own: no scope is without one. `lasting`: it lives on when the launcher ends. */
export async function startHolder(scope: string, lasting: boolean): Promise<number> {
  const done = await performSteps((s, program) => {
    const holder = program.section("holder");
    if (!lasting) holder.call("end when the launcher does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
    holder.call("leave the caller's session", "setsid", []);
    const none = buffer("no signals", 8);
    holder.call("take all signals", "rt_sigprocmask", [SIG_SETMASK, none, 0, 8]);
    holder.call("close all files", "close_range", [0, 0xffffffff, 0]);
    holder.call("wait for the end", "ppoll", [0, 0, 0, 0, 8]);
    holder.exit(0);
    return s.spawn("start the holder of the scope", holder);
  });
  const pid = done.value(done.made);
  if (pid <= 0) throw new CaissonError(`start the holder of ${scope}: errno ${done.failure?.errno}`);
  return pid;
}

export async function endHolder(pid: number): Promise<void> {
  signalEach([pid], SIGKILL);
  await reap(pid);
}
