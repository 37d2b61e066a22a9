import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { FD, keepOnly, WATCHED } from "../compile/descriptors.ts";
import { errnoName } from "../kernel/errno.ts";
import { AT_FDCWD, O, P_PID, PR, WEXITED } from "../kernel/flags.ts";
import { frameHeader, KIND } from "../program/frames.ts";
import { launcher } from "../program/launcher.ts";
import { performSteps, reap } from "../program/steps.ts";
import type { Block, Slot } from "../program/types.ts";
import { addressOf, buffer, low, struct } from "../program/values.ts";
import { CaissonError } from "../values/errors.ts";
import { contents } from "./contents.ts";
import { gather, tasksOf, type Watched } from "./gather.ts";

/** linux/fanotify.h */
const FAN = { CLASS_CONTENT: 4, CLOEXEC: 1, MARK_ADD: 1, OPEN_PERM: 0x10000, ALLOW: 1 } as const;
/** struct fanotify_event_metadata: the descriptor is in the last of three words. */
const EVENT = { size: 24 } as const;
const SIGKILL = 9;
const TIMES = 64;
const SAMPLE_MS = 5000;
/** How the kernel averages over 1, 5 and 15 minutes: include/linux/sched/loadavg.h. */
const DECAY = [1, 5, 15].map((minutes) => Math.exp(-SAMPLE_MS / 60_000 / minutes)) as [number, number, number];

/** A file of the host's for each that is shown: written through descriptors that were opened before anybody watches. */
export type ViewFile = { readonly path: string; readonly shownAt: string };

function writer(files: readonly ViewFile[], w: Watched) {
  let load: [number, number, number] = [0, 0, 0];
  const open = files.map((f) => ({ ...f, fd: openSync(f.path, "r+") }));
  const timer = setInterval(() => {
    const { running } = tasksOf(w);
    load = load.map((l, i) => l * (DECAY[i] ?? 0) + running * (1 - (DECAY[i] ?? 0))) as [number, number, number];
  }, SAMPLE_MS);
  timer.unref();
  return {
    refresh() {
      const facts = gather(w, load);
      for (const { fd, shownAt } of open) {
        const text = contents[shownAt]?.(facts) ?? "";
        writeSync(fd, text, 0);
        ftruncateSync(fd, Buffer.byteLength(text));
      }
    },
    close() {
      clearInterval(timer);
      for (const { fd } of open) closeSync(fd);
    },
  };
}

/**
 * Fills the files whenever one is opened, and before it is: the kernel asks (fanotify(7), FAN_OPEN_PERM), and whoever
 * opens waits for the answer. While nobody looks nothing is done.
 */
export async function watchView(
  files: readonly ViewFile[],
  w: Watched,
  failed: (e: Error) => void,
): Promise<() => Promise<void>> {
  const l = launcher();
  const token = l.token();
  const out = writer(files, w);
  out.refresh();
  const setUp = await performSteps((s, program) => {
    const group = s.get("open a fanotify group", "fanotify_init", [FAN.CLASS_CONTENT | FAN.CLOEXEC, O.RDONLY]);
    for (const { path } of files)
      s.call(`watch ${path}`, "fanotify_mark", [group, FAN.MARK_ADD, FAN.OPEN_PERM, AT_FDCWD, path]);
    const go = program.slot("pipe of the answers");
    s.call("make the pipe of the answers", "pipe2", [addressOf(go), O.CLOEXEC]);
    return { group, go };
  });
  if (setUp.failure) {
    out.close();
    throw new CaissonError(
      `the inside view: ${errnoName(setUp.failure.errno)} (fanotify needs root, and permission events in the kernel)`,
    );
  }
  const group = setUp.value(setUp.made.group);
  const [from, to] = [setUp.value(setUp.made.go), setUp.value(setUp.made.go, "high")];
  const start = async (): Promise<number> => {
    const done = await performSteps((s, program) => {
      const watcher = program.section("watcher of a view");
      watcher.call("end when the launcher does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
      keepOnly(watcher, group, from);
      const [events, answers] = [WATCHED, WATCHED + 1];
      const frame: Block = { name: "opened", bytes: frameHeader(KIND.event, token, 0), pointers: [] };
      const event = Array.from({ length: EVENT.size / 8 }, (_, i) => program.slot(`event ${i}`));
      const [first, , third] = event as [Slot, Slot, Slot];
      const opened = low(third);
      const answer = struct("fanotify_response", [
        [4, 0],
        [4, FAN.ALLOW],
      ]);
      for (let i = 0; i < TIMES; i++) {
        watcher.call("wait until one is opened", "read", [events, addressOf(first), EVENT.size], { retries: 255 });
        watcher.call("tell of it", "write", [FD.CONTROL, frame, frame.bytes.length]);
        watcher.call("wait until it is filled", "read", [answers, buffer("one byte", 1), 1]);
        watcher.store(opened, answer, 0, 4);
        watcher.call("let it be opened", "write", [events, answer, answer.bytes.length]);
        watcher.call("close it", "close", [opened]);
      }
      watcher.exit(0);
      return s.spawn("watch the files", watcher);
    }, token);
    const pid = done.value(done.made);
    if (pid <= 0) throw new CaissonError(`watch the files: ${errnoName(done.failure?.errno ?? 0)}`);
    return pid;
  };
  let [pid, count, over] = [0, 0, false];
  l.listen(token, ({ kind }) => {
    if (kind !== KIND.event || over) return;
    try {
      out.refresh();
    } catch (e) {
      failed(e as Error);
    }
    const last = ++count >= TIMES;
    performSteps((s) => s.call("answer", "write", [to, "!", 1]))
      .then(async () => {
        if (!last) return;
        count = 0;
        const old = pid;
        pid = await start();
        await reap(old);
      })
      .catch(failed);
  });
  pid = await start();
  return async () => {
    if (over) return;
    over = true;
    l.forget(token);
    out.close();
    await performSteps((s) => {
      s.call("end the watcher", "kill", [pid, SIGKILL], { ignore: ["ESRCH"] });
      s.call("reap it", "waitid", [P_PID, pid, 0, WEXITED, 0], { ignore: "all" });
      for (const fd of [group, from, to]) s.call("close what was for that", "close", [fd]);
    });
  };
}
