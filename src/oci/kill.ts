import { until } from "../cgroups/freezer.ts";
import { killAll, signalEach } from "../cgroups/kill.ts";
import { processesBelow } from "../cgroups/members.ts";
import { isAlive } from "../host/identity.ts";
import { processesBeside } from "../host/pid-namespace.ts";
import { signalNumber } from "../kernel/signals.ts";
import type { Global } from "./context.ts";
import { RuntimeError } from "./places.ts";
import { type Container, load, statusOf } from "./state.ts";

const SIGKILL = 9;
const SIGTERM = 15;
const KILL_MS = 10_000;

/** By its control groups, or, of a container that was made without them, by its PID namespace, if that is its own. */
export function processesOf(c: Container): number[] {
  const { directories } = c.saved.cgroup;
  if (directories.length) return [...new Set(directories.flatMap((d) => processesBelow(d)))];
  if (!c.init || !isAlive(c.init)) return [];
  return isPidShared(c) ? [c.init.pid] : processesBeside(c.init.pid);
}

/** The directory in which all its processes are, and can be ended at once. */
export const homeOf = (c: Container): string | undefined => c.saved.cgroup.directories[0];

/** Ends the first process, and all that is in the container's groups. */
export async function killContainer(c: Container): Promise<void> {
  if (c.init && isAlive(c.init)) signalEach([c.init.pid], SIGKILL);
  const home = homeOf(c);
  if (home !== undefined && processesOf(c).length) await killAll(home, undefined, KILL_MS);
  if (c.init && !(await until(() => !isAlive(c.init as NonNullable<typeof c.init>), KILL_MS)))
    throw new RuntimeError(`container ${c.saved.id}: its first process ${c.init.pid} does not end`);
}

/** Without a PID namespace of their own, the other processes do not end with the first. */
const isPidShared = (c: Container) => !c.saved.spec.linux?.namespaces?.some((n) => n.type === "pid" && !n.path);

export async function kill(
  g: Global,
  id: string | undefined,
  signal: string | undefined,
  all: boolean,
): Promise<number> {
  const number = signal === undefined ? SIGTERM : signal === "0" ? 0 : signalNumber(signal);
  if (number === undefined)
    throw new RuntimeError(`SIGNAL: ${JSON.stringify(signal)} is not a signal such as TERM or 15`);
  const c = load(g.root, id);
  const status = statusOf(c);
  if (all) {
    // What is left of a container that has ended is asked to go, too.
    signalEach(processesOf(c), number);
    return 0;
  }
  // Where the PID namespace is another's, the container is over when all of it is, as runc 1.2 has it.
  if (status === "stopped" && number === SIGKILL && isPidShared(c) && processesOf(c).length > 0) {
    await killContainer(c);
    return 0;
  }
  if (!c.init || status === "stopped" || status === "creating")
    throw new RuntimeError(`kill ${id}: container not running: it is ${status}`);
  if (number === SIGKILL && (isPidShared(c) || status === "paused")) await killContainer(c);
  else signalEach([c.init.pid], number);
  return 0;
}
