import { RECORD, STARTED } from "../compile/record.ts";

/** How a container ended, in base units. Source of each: wait4(2), getrusage(2), and the files of its control groups. */
export type Ending = {
  readonly exitCode: number;
  /** The signal that ended its first process, 0 for none. */
  readonly signal: number;
  readonly timedOut: boolean;
  readonly oomKilled: boolean;
  /** Bytes: of the whole group where memory is limited, else of its largest process. */
  readonly peakMemory: number;
  /** Seconds of CPU time, user and system. */
  readonly cpuTime: number;
  /** Milliseconds since 1970. */
  readonly endedAt: number;
};

export type Failure = {
  readonly section: number;
  readonly step: number;
  readonly errno: number;
  /** What was made for it is there yet: its state and the place of its changes. */
  readonly isLeft?: boolean;
};

const number = (view: DataView, at: number) => Number(view.getBigInt64(at, true));

/** A timespec, in milliseconds. */
const time = (view: DataView, at: number) => number(view, at) * 1000 + number(view, at + 8) / 1e6;

export function readFailure(view: DataView): Failure | undefined {
  const [section, step, errno] = [0, 8, 16].map((at) => number(view, RECORD.failure + at)) as [number, number, number];
  return errno === 0 ? undefined : { section, step, errno, isLeft: number(view, RECORD.isLeft) === 1 };
}

function readFiles(view: DataView, keys: readonly string[]): Map<string, string> {
  return new Map(
    keys.map((key, i) => {
      const at = view.byteOffset + RECORD.files + i * RECORD.fileSize;
      const text = new TextDecoder().decode(new Uint8Array(view.buffer, at, RECORD.fileSize));
      return [key, text.slice(0, text.indexOf("\0"))];
    }),
  );
}

/** Lines of "key number": memory.events of v2, memory.oom_control of v1. */
const keyed = (text: string, key: string) => Number(new RegExp(`^${key} (\\d+)$`, "m").exec(text)?.[1] ?? 0);

const WAIT_SIGNAL = 0x7f;
const KIB = 1024;

export function readEnding(view: DataView, fileKeys: readonly string[]): Ending {
  const [code, status, timedOut, user, system, maxRss] = [0, 1, 2, 3, 4, 5].map((i) =>
    number(view, RECORD.results + 8 * i),
  ) as [number, number, number, number, number, number];
  const files = readFiles(view, fileKeys);
  const peak = Number.parseInt(files.get("memory.peak") ?? "", 10);
  return {
    exitCode: code,
    signal: status & WAIT_SIGNAL,
    timedOut: timedOut === 1,
    oomKilled: [...files].some(([key, text]) => key.startsWith("memory.events") && keyed(text, "oom_kill") > 0),
    peakMemory: Number.isFinite(peak) && peak > 0 ? peak : maxRss * KIB,
    cpuTime: (user + system) / 1e6,
    endedAt: time(view, RECORD.endedAt),
  };
}

export const readStarted = (view: DataView) => ({
  pid: number(view, STARTED.pid),
  supervisor: number(view, STARTED.supervisor),
  /** Milliseconds since 1970. */
  startedAt: time(view, STARTED.startedAt),
  /** Milliseconds since the machine was booted; of a container that an earlier version started it is not known. */
  sinceBoot: view.byteLength < STARTED.size ? 0 : time(view, STARTED.sinceBoot),
});
