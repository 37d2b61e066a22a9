import { existsSync } from "node:fs";
import { NameError } from "../values/errors.ts";
import { findExact, type Running } from "./state.ts";

/** Its first process is gone before what was made for it is, and its name may be another's by then: `now` is who has it. */
export function hasEnded({ noted, started }: Running, now = findExact(noted.name)): boolean {
  if (!existsSync(`/proc/${started.pid}`)) return true;
  return now?.status !== "running" || now.started?.supervisor !== started.supervisor;
}

export function needRunning(c: Running): void {
  if (hasEnded(c)) throw new NameError(c.noted.name, `the container ${c.noted.name} has ended meanwhile`);
}

/** What fails because the container ended fails by that, and not by what was no longer there: `need` throws if it has. */
export async function orEnded<T>(need: () => void, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (e) {
    need();
    throw e;
  }
}

export const whileRunning = <T>(c: Running, body: () => Promise<T>): Promise<T> => orEnded(() => needRunning(c), body);
