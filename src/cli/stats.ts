import { setTimeout as sleep } from "node:timers/promises";
import { findContainer } from "../container/state.ts";
import { parseDuration } from "../values/units.ts";
import type { Values } from "./option-table.ts";
import { print, table } from "./output.ts";
import { json } from "./show-group.ts";
import { type Row, ratesOf, sampleAll } from "./top/sample.ts";
import { cells, HEAD } from "./top/view.ts";

export const intervalOf = (v: Values): number =>
  Math.max(0.1, parseDuration("--interval", (v["interval"] as string | undefined) ?? "1s"));

/** Rows at each interval, until `over`. The first come after one interval: a rate needs two looks. */
export async function* sampling(seconds: number, only: readonly string[], over: AbortSignal): AsyncGenerator<Row[]> {
  let before = await sampleAll(only);
  let at = performance.now();
  while (!over.aborted) {
    await sleep(seconds * 1000, undefined, { signal: over }).catch(() => {});
    if (over.aborted) return;
    const now = await sampleAll(only);
    const then = performance.now();
    yield ratesOf(before, now, (then - at) / 1000);
    [before, at] = [now, then];
  }
}

export function untilInterrupted(): AbortController {
  const over = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => over.abort());
  return over;
}

export async function stats(v: Values, names: readonly string[]): Promise<number> {
  const only = names.map((n) => findContainer(n).noted.name);
  const over = untilInterrupted();
  for await (const rows of sampling(intervalOf(v), only, over.signal)) {
    const shown = rows.filter((r) => r.kind === "container");
    // None of those that were asked for is there any more.
    if (only.length > 0 && shown.length === 0) break;
    if (v["json"]) print(json(shown));
    else {
      if (process.stdout.isTTY && !v["no-stream"]) process.stdout.write("\x1b[H\x1b[J");
      print(table(HEAD, shown.map(cells)));
    }
    if (v["no-stream"]) break;
  }
  return 0;
}
