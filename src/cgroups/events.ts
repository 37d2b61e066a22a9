import { InvalidOptionError } from "../values/errors.ts";
import { parseDuration } from "../values/units.ts";
import { readKeyed } from "./controller.ts";
import { isDirectory, readOptional } from "./files.ts";
import { findFreezer, freezerState } from "./freezer.ts";
import { hierarchyOf, homeOf, type Layout } from "./layout.ts";
import { processesBelow } from "./members.ts";
import { type PressureKind, parsePressure, pressureKinds, type Stall } from "./pressure.ts";
import { allControllers } from "./table.ts";
import { type Stop, watchFile, watchPressure, watchV1 } from "./watch.ts";

/** `at`: milliseconds since 1970. */
export type GroupEvent = { readonly at: number } & (
  | { readonly type: "populated" | "frozen"; readonly value: boolean }
  /** A counter of a controller went up: by how much, and what it is now. */
  | {
      readonly type: "low" | "high" | "max" | "oom" | "oom_kill" | (string & {});
      readonly controller: string;
      readonly count: number;
      readonly total: number;
    }
  | { readonly type: "pressure"; readonly kind: PressureKind; readonly level: "some" | "full"; readonly stall: Stall }
  | { readonly type: "removed" }
);

type Threshold = {
  readonly some?: number | string;
  readonly full?: number | string;
  readonly window?: number | string;
};
export type EventOptions = {
  readonly signal?: AbortSignal;
  /**
   * `{ memory: { some: "150ms", window: "2s" } }`: an event whenever tasks waited that long within the window, which is
   * 500 ms to 10 s; without CAP_SYS_RESOURCE a multiple of 2 s.
   */
  readonly pressure?: { readonly [K in PressureKind]?: Threshold };
};

/** Where the kernel tells of nothing (a group with no v2 directory), it is looked every so often. */
const LOOK_MS = 250;
const MICRO = 1e6;
/** Seconds. Without CAP_SYS_RESOURCE the kernel takes multiples of two seconds only (accounting/psi). */
const DEFAULT_WINDOW = 2;

type Emit = (e: GroupEvent) => void;

/** Calls back with what has changed in a file of counters since the last time. */
function counters(path: string, names: readonly string[], controller: string, emit: Emit): () => void {
  let before = readKeyed(readOptional(path));
  return () => {
    const now = readKeyed(readOptional(path));
    for (const name of names) {
      const count = (now[name] ?? 0) - (before[name] ?? 0);
      if (count > 0) emit({ at: Date.now(), type: name, controller, count, total: now[name] ?? 0 });
    }
    before = now;
  };
}

/** populated and frozen, from whichever files there are. */
function states(layout: Layout, path: string, directory: string, emit: Emit): () => void {
  const events = `${directory}/cgroup.events`;
  const look = (): { populated: boolean; frozen: boolean } => {
    const text = readOptional(events);
    if (text !== undefined)
      return { populated: readKeyed(text)["populated"] === 1, frozen: readKeyed(text)["frozen"] === 1 };
    // Asked for once: the group may go between two looks.
    const freezer = findFreezer(layout, path);
    const frozen = freezer !== undefined && freezerState(freezer) === "frozen";
    return { populated: processesBelow(directory).length > 0, frozen };
  };
  let before = look();
  return () => {
    if (!isDirectory(directory)) return;
    const now = look();
    for (const type of ["populated", "frozen"] as const)
      if (now[type] !== before[type]) emit({ at: Date.now(), type, value: now[type] });
    before = now;
  };
}

function triggers(o: EventOptions): { kind: PressureKind; level: "some" | "full"; text: string }[] {
  return Object.entries(o.pressure ?? {}).flatMap(([kind, t]) => {
    if (!pressureKinds.includes(kind as PressureKind))
      throw new InvalidOptionError("pressure", kind, `one of ${pressureKinds.join(", ")}`);
    const window = parseDuration(`pressure.${kind}.window`, t.window ?? DEFAULT_WINDOW);
    if (window < 0.5 || window > 10)
      throw new InvalidOptionError(`pressure.${kind}.window`, t.window, 'a duration from "500ms" to "10s"');
    return (["some", "full"] as const).flatMap((level) => {
      if (t[level] === undefined) return [];
      const stall = parseDuration(`pressure.${kind}.${level}`, t[level]);
      if (stall <= 0 || stall > window)
        throw new InvalidOptionError(`pressure.${kind}.${level}`, t[level], "a duration above 0, up to the window");
      return [
        {
          kind: kind as PressureKind,
          level,
          text: `${level} ${Math.round(stall * MICRO)} ${Math.round(window * MICRO)}`,
        },
      ];
    });
  });
}

/** Watches a group until it is removed or the signal fires. What happens between two reads is not lost. */
export async function* watchGroup(layout: Layout, path: string, o: EventOptions): AsyncGenerator<GroupEvent> {
  const wanted = triggers(o);
  const home = homeOf(layout);
  const directory = `${home?.top}${path}`;
  const queue: GroupEvent[] = [];
  const stops: Stop[] = [];
  let failure: Error | undefined;
  let over = false;
  let wake = () => {};
  const emit: Emit = (e) => {
    queue.push(e);
    if (e.type === "removed") over = true;
    wake();
  };
  const fail = (e: Error) => {
    if (isDirectory(directory)) failure = e;
    wake();
  };
  const abort = () => {
    over = true;
    wake();
  };
  const looks: (() => void)[] = [];
  const watch = (file: string, look: () => void) => {
    looks.push(look);
    if (readOptional(file) !== undefined) stops.push(watchFile(file, look));
  };
  o.signal?.addEventListener("abort", abort);
  try {
    watch(`${directory}/cgroup.events`, states(layout, path, directory, emit));
    for (const c of allControllers()) {
      const h = hierarchyOf(layout, c);
      for (const { file, names } of (h && c.events?.[h.version]) ?? []) {
        const at = `${h?.top}${path}/${file}`;
        if (readOptional(at) !== undefined) watch(at, counters(at, names, c.name, emit));
      }
    }
    const v1Memory = layout.v1["memory"];
    if (v1Memory !== undefined && isDirectory(v1Memory + path)) {
      const look = counters(`${v1Memory}${path}/memory.oom_control`, ["oom_kill"], "memory", emit);
      looks.push(look);
      stops.push(await watchV1(v1Memory + path, "memory.oom_control", look, fail));
    }
    for (const { kind, level, text } of wanted) {
      const file = `${directory}/${kind}.pressure`;
      const fired = () => {
        const stall = parsePressure(readOptional(file) ?? "")[level];
        if (stall) emit({ at: Date.now(), type: "pressure", kind, level, stall });
      };
      stops.push(await watchPressure(file, text, fired, fail));
    }
    const timer = setInterval(() => {
      for (const look of looks) look();
      if (!isDirectory(directory) && !over) emit({ at: Date.now(), type: "removed" });
    }, LOOK_MS);
    stops.push(() => clearInterval(timer));
    if (o.signal?.aborted) return;
    for (;;) {
      while (queue.length) yield queue.shift() as GroupEvent;
      if (failure) throw failure;
      if (over) return;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    o.signal?.removeEventListener("abort", abort);
    for (const stop of stops) stop();
  }
}
