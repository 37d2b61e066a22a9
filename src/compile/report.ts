import { AT_FDCWD, F, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { frameHeader, KIND } from "../program/frames.ts";
import { ANY, type Block, type Slot } from "../program/types.ts";
import { addressOf, argument, high, into, low, stringArray } from "../program/values.ts";
import type { Context } from "./context.ts";
import { FD } from "./descriptors.ts";
import { isLeftToCommand } from "./job.ts";
import { RECORD, recordBlock, storeFailure, timeOfDay } from "./record.ts";

const FRAME = 16;

/** A record of the end, with room in front of it for the header of a frame. */
export type EndRecord = { readonly block: Block; readonly prefix: number };

export function endRecord(c: Context): EndRecord {
  const files = c.job.cgroup.groups.reduce((n, g) => n + g.reads.length, 0);
  const prefix = c.job.report.to === "library" ? FRAME : 0;
  const block = recordBlock(files, prefix);
  if (c.job.report.to === "library")
    block.bytes.set(frameHeader(KIND.ended, c.job.report.token, block.bytes.length - FRAME));
  return { block, prefix };
}

/** Fills the record while the control groups are still there. */
export function fillRecord(
  c: Context,
  s: SectionBuilder,
  { block, prefix }: EndRecord,
  results: readonly Slot[],
): void {
  results.forEach((slot, i) => {
    s.store(slot, block, prefix + RECORD.results + 8 * i, 8);
  });
  timeOfDay(s).forEach((slot, i) => {
    s.store(slot, block, prefix + RECORD.endedAt + 8 * i, 8);
  });
  let at = prefix + RECORD.files;
  for (const group of c.job.cgroup.groups)
    for (const { file } of group.reads) {
      const path = `${group.path}/${file}`;
      const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0], { ignore: "all" });
      s.call(`read ${file}`, "read", [fd, into(block, at), RECORD.fileSize - 1], { ignore: "all" });
      s.call(`close ${file}`, "close", [fd], { ignore: "all" });
      at += RECORD.fileSize;
    }
}

export function reportStart(c: Context, s: SectionBuilder, pid: Slot, front: Slot | undefined): void {
  const { report } = c.job;
  if (report.to === "library") {
    const bytes = frameHeader(KIND.started, report.token, 8);
    const block: Block = { name: "started", bytes, pointers: [] };
    s.store(pid, block, FRAME, 8);
    s.call("report the start", "write", [FD.CONTROL, block, bytes.length], { ignore: "all" });
  }
  if (front) {
    s.call("tell the front that the container is there", "write", [high(front), "!", 1], { ignore: "all" });
    s.call("close the front's pipe", "close", [high(front)]);
  }
}

/** Where the command line's own executable finds a record: the read end of a pipe that holds it. */
export const AFTER_FD = 9;

/** The process becomes the command line again, to say in words what the record says in numbers. */
function becomeCommand(s: SectionBuilder, { after, given }: After, { block }: EndRecord, fd: number = AFTER_FD): void {
  const pipe = s.program.slot("pipe of the record");
  s.call("make a pipe for the record", "pipe2", [addressOf(pipe), 0], { ignore: "all" });
  s.call("put the record into it", "write", [high(pipe), block, block.bytes.length], { ignore: "all" });
  s.call("close its end", "close", [high(pipe)], { ignore: "all" });
  s.call("keep the record", "dup3", [low(pipe), fd, 0], { ignore: "all" });
  const argv = stringArray("argv", given ? [...after, ""] : after);
  if (given) s.store(argument(1), argv, POINTER * after.length, POINTER);
  s.call("say what happened", "execve", [after[0] ?? "", argv, stringArray("envp", [])], { ignore: "all" });
}
const POINTER = 8;
type After = { readonly after: readonly string[]; readonly given?: boolean };

const SIGNAL_BITS = 0x7f;
const NOT_STARTED = 125;

/** The lock of a state, at exec: whoever removes the rest has its name until that is done. */
const holdOn = (s: SectionBuilder, lock: Slot): void =>
  s.call("hold the lock on", "fcntl", [lock, F.DUPFD, AFTER_FD + 1], ANY);

export function afterEnd(
  c: Context,
  s: SectionBuilder,
  record: EndRecord,
  results: readonly Slot[],
  lock?: Slot,
): void {
  const { report } = c.job;
  const [code, , timedOut] = results as [Slot, Slot, Slot];
  if (report.to === "library")
    s.call("report the end", "write", [FD.CONTROL, record.block, record.block.bytes.length], { ignore: "all" });
  if (report.to === "command" && isLeftToCommand(c.job)) {
    if (lock) holdOn(s, lock);
    becomeCommand(s, report, record);
  } else if (report.to === "command" && report.explain) {
    const explain = () => becomeCommand(s, report, record);
    s.skipIf(timedOut, "==", 0, explain);
    s.skipIf(code, "<", 128, () => s.skipIf(code, ">", 128 + SIGNAL_BITS, explain));
  }
  s.exit(code);
}

export function afterFailure(
  c: Context,
  s: SectionBuilder,
  record: EndRecord,
  kept?: { readonly data?: Slot; readonly lock: Slot },
): void {
  const { report, state } = c.job;
  storeFailure(s, record.block, record.prefix);
  if (kept?.data && state?.data?.changes)
    s.skipIf(kept.data, "!=", 0, () => {
      s.store(1, record.block, record.prefix + RECORD.isLeft, 8);
      holdOn(s, kept.lock);
    });
  if (report.to === "library")
    s.call("report the failure", "write", [FD.CONTROL, record.block, record.block.bytes.length], { ignore: "all" });
  if (report.to === "command") becomeCommand(s, report, record);
  if (report.to === "runtime") becomeCommand(s, report, record, report.fd);
  s.exit(NOT_STARTED);
}
