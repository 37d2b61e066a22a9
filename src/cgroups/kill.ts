import { existsSync } from "node:fs";
import { isCode } from "../values/code-of.ts";
import { CaissonError, InvalidOptionError } from "../values/errors.ts";
import { readKeyed } from "./controller.ts";
import { readOptional, writeFile } from "./files.ts";
import { type Freezer, freeze, thaw, until } from "./freezer.ts";
import { describedAll, processesBelow } from "./members.ts";

const SIGKILL = 9;

/** One that has ended is passed over. Numbers below 1 mean whole groups of processes, the caller's among them (kill(2)): none is one of `pids`. */
export function signalEach(pids: readonly number[], signal: number): void {
  const wrong = pids.find((pid) => !Number.isInteger(pid) || pid < 1);
  if (wrong !== undefined) throw new RangeError(`${wrong} is not the number of a process`);
  for (const pid of pids)
    try {
      process.kill(pid, signal);
    } catch (e) {
      if (!isCode(e, "ESRCH")) throw e;
    }
}

/** Whoever acts on a group from within would stop, or end, itself. */
export function notOneself(directory: string, what: string): void {
  if (processesBelow(directory).includes(process.pid))
    throw new InvalidOptionError(what, directory, "a group that this process is not in");
}

const isEmpty = (directory: string): boolean => {
  const populated = readKeyed(readOptional(`${directory}/cgroup.events`))["populated"];
  return populated === undefined ? processesBelow(directory).length === 0 : populated === 0;
};

/**
 * Ends every process of the subtree, frozen ones and those that fork as fast as they can. cgroup.kill (Linux 5.14)
 * does it in one write; before that, and on v1, what is frozen cannot fork, so one pass gets all.
 */
export async function killAll(directory: string, freezer: Freezer | undefined, ms: number): Promise<void> {
  notOneself(directory, "kill");
  const end = performance.now() + ms;
  const left = () => Math.max(1, end - performance.now());
  if (readOptional(`${directory}/cgroup.freeze`) !== undefined && hasKill(directory)) {
    writeFile(`${directory}/cgroup.kill`, "1");
    if (await until(() => isEmpty(directory), left())) return;
  } else
    while (performance.now() < end) {
      // Even a group that cannot be stopped as a whole can be killed, pass after pass.
      if (freezer) await freeze(freezer, Math.min(left(), 500)).catch(onlyCaisson);
      signalEach(processesBelow(directory), SIGKILL);
      // On v1 a frozen process dies once it is thawed.
      if (freezer?.version === "v1") thaw(freezer);
      if (await until(() => isEmpty(directory), Math.min(left(), 200))) {
        if (freezer) thaw(freezer);
        return;
      }
    }
  throw new CaissonError(
    `kill ${directory}: after ${Math.round(ms)} ms there are still ${describedAll(processesBelow(directory))}`,
  );
}

const onlyCaisson = (e: unknown): void => {
  if (!(e instanceof CaissonError)) throw e;
};

/** It can only be written: opening it to read fails, but not for want of the file. */
const hasKill = (directory: string): boolean => existsSync(`${directory}/cgroup.kill`);
