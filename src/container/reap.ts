import { P_PID, WEXITED } from "../kernel/flags.ts";
import { performSteps } from "../program/steps.ts";

/** Long enough for those that end one after the other to be one program, and for each to have exited. */
const SOON_MS = 10;

let ended: number[] = [];

function reapAll(): void {
  const pids = ended;
  ended = [];
  performSteps((s) => {
    for (const pid of pids) s.call("reap", "waitid", [P_PID, pid, 0, WEXITED, 0], { ignore: "all" });
  }).catch(() => {});
}

/**
 * Has the launcher reap a child of its own that said that it ends. Not at once: it would only wait until that has
 * exited, and start no container meanwhile.
 */
export function reapSoon(pid: number): void {
  if (ended.push(pid) === 1) setTimeout(reapAll, SOON_MS).unref();
}
