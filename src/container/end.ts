import { join } from "node:path";
import { ControlGroupError, writeFile } from "../cgroups/files.ts";
import { signalEach } from "../cgroups/kill.ts";
import { STATE_FILES } from "../compile/state.ts";
import { KILL_EVERYTHING } from "../kernel/signals.ts";
import type { Running } from "./state.ts";

const GONE = ["ENOENT", "ENODEV", "ENOTDIR"];

/**
 * A signal to a container, by its supervisor. One that is to end everything ends all that is in its group, too: who was on
 * the way into it when it was paused would be waited for by the one that waits for the command's end, and that by the
 * container's first process (zap_pid_ns_processes() of the kernel).
 */
export function signalContainer({ directory, started }: Pick<Running, "directory" | "started">, signal: number): void {
  signalEach([started.supervisor], signal);
  if (signal !== KILL_EVERYTHING) return;
  try {
    writeFile(join(directory, STATE_FILES.home, "cgroup.kill"), "1");
  } catch (e) {
    // It has no group of its own, or it has ended.
    if (!(e instanceof ControlGroupError && GONE.includes(e.errno ?? ""))) throw e;
  }
}
