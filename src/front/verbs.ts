import { openHow } from "../compile/context.ts";
import { FAILURE_RECORD, RUNTIME_FILES } from "../compile/runtime/lifecycle.ts";
import { ignoreBrokenPipes } from "../compile/signals.ts";
import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, O, RESOLVE } from "../kernel/flags.ts";
import { signalName } from "../kernel/signals.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { buffer, textBlock } from "../program/values.ts";
import { type Found, openState, poll } from "./container.ts";
import { freeze, ifAsked, thaw } from "./freeze.ts";
import { ifSame, type Said } from "./words.ts";

const F = RUNTIME_FILES;
const ENOENT = errno("ENOENT");
const SIGKILL = 9;
const KILL_MS = 10_000;
const F_SETFL = 4;
const LARGE = 1 << 20;

function awaitCommand(s: SectionBuilder, f: Found, done: Slot): void {
  const record = buffer("failure", FAILURE_RECORD);
  const read = s.get("wait until it is executed", "read", [done, record, FAILURE_RECORD], ANY);
  s.skipIf(read, "!=", 0, () => {
    for (const file of [F.go, F.done, F.labels]) s.call(`remove ${file}`, "unlinkat", [f.directory, file, 0], ANY);
    s.exit(0);
  });
  const flags = O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC;
  const failed = s.get("open the note of the failure", "openat", [f.directory, F.failed, flags, 0o600], ANY);
  s.call("note the failure", "write", [failed, record, FAILURE_RECORD], ANY);
  s.call("close the note", "close", [failed], ANY);
}

/** As src/oci/start.ts. A failure is left for the engine to find, which has the words for it. */
export function start(s: SectionBuilder, said: Said, f: Found): void {
  const performed = () => {
    const done = openState(s, f, F.done, O.RDONLY | O.NONBLOCK);
    const go = openState(s, f, F.go, O.WRONLY | O.NONBLOCK);
    s.skipIf(done, "<", 0, () =>
      s.skipIf(go, "<", 0, () => {
        s.call("wait for what is said there", "fcntl", [done, F_SETFL, 0], ANY);
        ignoreBrokenPipes(s);
        const told = s.get("start the command", "write", [go, "!", 1], ANY);
        s.call("close the FIFO", "close", [go], ANY);
        s.skipIf(told, "!=", 1, () => awaitCommand(s, f, done));
      }),
    );
    s.call("close the FIFO", "close", [done], ANY);
  };
  // A frozen one would never answer.
  s.skipIf(said.next, "!=", 0, () => ifAsked(s, f.directory, "0", performed));
}

/** As src/oci/query.ts: what does not change is in a file, and follows. */
export function state(s: SectionBuilder, said: Said, f: Found): void {
  const say = (status: string) => {
    const stopped = status === "stopped";
    const head = `{\n  "status": "${status}",\n  "pid": `;
    const text = textBlock(`${head}${(stopped ? "0" : "").padEnd(20)},\n`, "state");
    if (!stopped) s.format(f.pid, text, head.length);
    const rest = openState(s, f, F.brief, O.RDONLY);
    s.skipIf(rest, "<", 0, () => {
      s.call("print the state", "write", [1, text, text.bytes.length], ANY);
      s.call("and the rest", "sendfile", [1, rest, 0, LARGE], ANY);
      s.exit(0);
    });
  };
  s.skipIf(said.next, "!=", 0, () => {
    s.skipIf(f.alive, "!=", 0, () => say("stopped"));
    s.skipIf(f.alive, "==", 0, () => {
      ifAsked(s, f.directory, "1", () => say("paused"));
      ifAsked(s, f.directory, "0", () => {
        const go = openState(s, f, F.go, O.WRONLY | O.NONBLOCK);
        s.skipIf(go, "<", 0, () => say("created"));
        s.skipIf(go, ">", -1, () => say("running"));
      });
    });
  });
}

/** As src/oci/control.ts. */
export const pause = (s: SectionBuilder, said: Said, f: Found): void =>
  s.skipIf(said.next, "!=", 0, () =>
    s.skipIf(f.alive, "==", 0, () => ifAsked(s, f.directory, "0", () => freeze(s, f.directory))),
  );
export const resume = (s: SectionBuilder, said: Said, f: Found): void =>
  s.skipIf(said.next, "!=", 0, () =>
    s.skipIf(f.alive, "==", 0, () => ifAsked(s, f.directory, "1", () => thaw(s, f.directory))),
  );

const NAMED = 31;

/** As src/oci/kill.ts, for signals by name or number. */
export function kill(s: SectionBuilder, said: Said, f: Found): void {
  const send = (n: number) => {
    const sent = s.get(`send signal ${n}`, "pidfd_send_signal", [f.pidfd, n, 0, 0], ANY);
    s.skipIf(sent, "!=", 0, () => s.exit(0));
  };
  s.skipIf(said.after, "!=", 0, () =>
    s.skipIf(f.alive, "==", 0, () => {
      s.skipIf(said.next, "!=", 0, () => send(15));
      for (let n = 1; n <= NAMED; n++) {
        const name = signalName(n);
        for (const word of [String(n), name, name.slice(3)]) ifSame(s, said.next, word, () => send(n));
      }
    }),
  );
}

/** As src/oci/delete.ts: what is to be removed is a program of the container's own, made with it. */
export function remove(s: SectionBuilder, said: Said, f: Found, force: boolean): void {
  const perform = () => {
    const end = openState(s, f, F.end, O.RDONLY);
    const nowhere = s.get("open /dev/null", "openat", [AT_FDCWD, "/dev/null", O.WRONLY | O.CLOEXEC, 0], ANY);
    s.skipIf(end, "<", 0, () => s.serve("remove what is left of it", end, nowhere));
    const how = openHow(O.PATH | O.DIRECTORY, RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS);
    const left = s.get("is it gone?", "openat2", [f.root, said.id, how, how.bytes.length], ANY);
    s.skipIf(left, "!=", -ENOENT, () => s.exit(0));
    for (const fd of [end, nowhere, left]) s.call("close what was for that", "close", [fd], ANY);
  };
  s.skipIf(said.next, "!=", 0, () => {
    s.skipIf(f.alive, "!=", 0, perform);
    if (!force) return;
    s.skipIf(f.alive, "==", 0, () => {
      s.call("kill it", "pidfd_send_signal", [f.pidfd, SIGKILL, 0, 0], ANY);
      const ended = poll(s, f.pidfd, KILL_MS);
      s.skipIf(ended, "!=", 1, perform);
    });
  });
}
