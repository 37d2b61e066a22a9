import type { Launcher } from "../program/launcher.ts";
import { reap } from "../program/steps.ts";

/** Long enough for those that end one after the other to be one program, and for each to have exited. */
const SOON_MS = 10;

let ended: { readonly l: Launcher; readonly pid: number }[] = [];

function reapAll(): void {
  // Those of a launcher that has ended are somebody else's.
  const ours = ended.filter(({ l }) => !l.dead);
  ended = [];
  if (ours.length === 0) return;
  reap(...ours.map(({ pid }) => pid)).catch(() => {});
}

/**
 * Has the launcher reap a child of its own that said that it ends. Not at once: it would only wait until that has
 * exited, and start no container meanwhile.
 */
export function reapSoon(l: Launcher, pid: number): void {
  if (ended.push({ l, pid }) === 1) setTimeout(reapAll, SOON_MS).unref();
}
