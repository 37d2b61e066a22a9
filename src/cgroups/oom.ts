import { readKeyed } from "./controller.ts";
import { readOptional } from "./files.ts";
import type { Layout } from "./layout.ts";
import { type Stop, watchFile, watchV1 } from "./watch.ts";

export type OomWatch = {
  /** Looks whether anything happened of which the kernel has not told yet. */
  look(): void;
  stop: Stop;
};

/**
 * Calls back for each time that a process of a group was killed for want of memory, counted from the group's beginning. Costs
 * nothing until then: v2 tells by inotify, v1 by an eventfd, which a process of the executor holds.
 */
export async function watchOom(layout: Layout, path: string, killed: () => void): Promise<OomWatch | undefined> {
  const v1 = layout.v1["memory"];
  const top = v1 ?? layout.v2?.point;
  const file = v1 === undefined ? "memory.events" : "memory.oom_control";
  const at = `${top}${path}/${file}`;
  if (top === undefined || readOptional(at) === undefined) return undefined;
  let before = 0;
  const look = () => {
    const now = readKeyed(readOptional(at))["oom_kill"] ?? before;
    for (; before < now; before++) killed();
  };
  const stop = v1 === undefined ? watchFile(at, look) : await watchV1(v1 + path, file, look, () => {});
  look();
  return { look, stop };
}
