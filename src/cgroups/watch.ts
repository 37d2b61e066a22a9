import { watch } from "node:fs";
import { FD, keepOnly } from "../compile/descriptors.ts";
import { errnoName } from "../kernel/errno.ts";
import { AT_FDCWD, O, PR } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { frameHeader, KIND } from "../program/frames.ts";
import { launcher } from "../program/launcher.ts";
import { POLL, pollFor } from "../program/poll.ts";
import { performSteps, reap } from "../program/steps.ts";
import type { Block } from "../program/types.ts";
import { buffer, textBlock } from "../program/values.ts";
import { CaissonError } from "../values/errors.ts";
import { signalEach } from "./kill.ts";

export type Stop = () => void;

/** Calls back when the kernel tells of a change of the file (inotify). */
export function watchFile(path: string, changed: () => void): Stop {
  const watcher = watch(path, { persistent: true }, changed);
  watcher.on("error", changed);
  return () => watcher.close();
}

const WINDOW_HINT = " (without CAP_SYS_RESOURCE a window must be a multiple of 2s)";
const SIGKILL = 9;
/** Events that one process waits for before another takes its place. */
const TIMES = 64;

/**
 * Events that only come to who holds a file descriptor open: a process of the executor holds it, and each time writes
 * a frame to this runtime. It ends with the launcher.
 */
async function watchInExecutor(
  what: string,
  arm: (s: SectionBuilder) => (s: SectionBuilder) => void,
  fired: () => void,
  ended: (e: Error) => void,
): Promise<Stop> {
  const l = launcher();
  const token = l.token();
  let over = false;
  let count = 0;
  const start = async (): Promise<number> => {
    const done = await performSteps((s, program) => {
      const watcher = program.section("watcher");
      watcher.call("end when the launcher does", "prctl", [PR.SET_PDEATHSIG, SIGKILL, 0, 0, 0]);
      keepOnly(watcher);
      const wait = arm(watcher);
      const frame: Block = { name: "event", bytes: frameHeader(KIND.event, token, 0), pointers: [] };
      // The first frame says that it watches.
      for (let i = 0; i <= TIMES; i++) {
        watcher.call("tell of it", "write", [FD.CONTROL, frame, frame.bytes.length]);
        if (i < TIMES) wait(watcher);
      }
      watcher.onFail = failing(program, token);
      return s.spawn(`watch ${what}`, watcher);
    }, token);
    const pid = done.value(done.made);
    if (pid <= 0) throw new CaissonError(`watch ${what}: ${errnoName(done.failure?.errno ?? 0)}`);
    return pid;
  };
  // It may tell that it failed before it is known who it is.
  let watcher: Promise<number> | undefined;
  l.hold();
  const stop = () => {
    if (over) return;
    over = true;
    l.forget(token);
    l.release();
    watcher
      ?.then((pid) => {
        signalEach([pid], SIGKILL);
        return reap(pid);
      })
      .catch(() => {});
  };
  await new Promise<void>((resolve, reject) => {
    l.listen(token, (f) => {
      if (f.kind === KIND.ended) {
        stop();
        const errno = errnoName(f.payload.getInt32(0, true));
        const e = new CaissonError(`watch ${what}: ${errno}${errno === "EINVAL" ? WINDOW_HINT : ""}`);
        reject(e);
        return ended(e);
      }
      if (f.kind !== KIND.event) return;
      resolve();
      if (count++ === 0) return;
      if (count > TIMES) {
        count = 0;
        const old = watcher;
        watcher = start();
        watcher.then(async () => old && reap(await old)).catch(ended);
      }
      fired();
    });
    watcher = start();
    watcher.catch((e: Error) => {
      stop();
      reject(e);
    });
  });
  return stop;
}

function failing(program: SectionBuilder["program"], token: number): SectionBuilder {
  const s = program.section("failed");
  const frame: Block = { name: "failure", bytes: frameHeader(KIND.ended, token, 8), pointers: [] };
  s.store({ slot: 2, name: "failed errno" }, frame, 16, 8);
  s.call("tell of the failure", "write", [FD.CONTROL, frame, frame.bytes.length], { ignore: "all" });
  s.exit(1);
  return s;
}

/** A trigger of accounting/psi: `text` is "some 150000 1000000". It holds while the file is open. */
export const watchPressure = (
  path: string,
  text: string,
  fired: () => void,
  ended: (e: Error) => void,
): Promise<Stop> =>
  watchInExecutor(
    path,
    (s) => {
      const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDWR | O.CLOEXEC, 0]);
      const trigger = textBlock(`${text}\0`);
      s.call(`set the trigger ${text}`, "write", [fd, trigger, trigger.bytes.length]);
      return (again) => {
        again.call("wait for pressure", "ppoll", [pollFor(again, fd, POLL.PRI), 1, 0, 0, 8]);
      };
    },
    fired,
    ended,
  );

const [EVENT_FD, FILE_FD] = [20, 21];

/** cgroup.event_control of v1: an eventfd that counts the events of a file (cgroup-v1 "memory", section 9). */
export const watchV1 = (directory: string, file: string, fired: () => void, ended: (e: Error) => void): Promise<Stop> =>
  watchInExecutor(
    `${directory}/${file}`,
    (s) => {
      const event = s.get("make an eventfd", "eventfd2", [0, O.CLOEXEC]);
      const path = `${directory}/${file}`;
      const opened = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0]);
      s.call("give it a number", "dup3", [event, EVENT_FD, O.CLOEXEC]);
      s.call("give the file a number", "dup3", [opened, FILE_FD, O.CLOEXEC]);
      const control = `${directory}/cgroup.event_control`;
      const fd = s.get(`open ${control}`, "openat", [AT_FDCWD, control, O.WRONLY | O.CLOEXEC, 0]);
      const text = textBlock(`${EVENT_FD} ${FILE_FD}`);
      s.call("ask for events", "write", [fd, text, text.bytes.length]);
      return (again) => again.call("wait for an event", "read", [EVENT_FD, buffer("count", 8), 8]);
    },
    fired,
    ended,
  );
