import { AT_FDCWD, O, PR } from "../../kernel/flags.ts";
import type { ProgramBuilder, SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import type { Loose } from "../../program/values.ts";
import type { Context } from "../context.ts";
import { closeFrom } from "../descriptors.ts";
import { afterEnd, type EndRecord, fillRecord, reportStart } from "../report.ts";
import { ignoreBrokenPipes, takeAllSignals } from "../signals.ts";
import { RELAY_BRIEF, terminalRelays } from "../terminal.ts";
import { type Numbers, type OwnFile, reserve } from "./descriptors.ts";
import type { Lifecycle, Stream } from "./lifecycle.ts";

/**
 * The keeper: a process of a shim's launcher that is a container's parent as long as that lives. It opens the streams that
 * containerd has named, moves what goes over a terminal, and tells how the container ended. No JavaScript is between.
 */

/** Where a keeper has the terminal, so that its size can be set from outside. */
export const KEPT_TERMINAL = 4;

/** The runtime's own section. A keeper's is started by one that the launcher performs. */
export function runtimeSection(program: ProgramBuilder, l: Lifecycle): SectionBuilder {
  if (l.mode !== "kept") return program.section("runtime");
  const main = program.section("launcher");
  const keeper = program.section("supervisor");
  main.spawn("start the keeper", keeper);
  return keeper;
}

/** The launcher's socket is at the first number that is not a stream's, and stays there. */
function becomeKeeper(s: SectionBuilder, l: Lifecycle, n: Numbers): void {
  s.call("have a session of its own", "setsid", []);
  s.call("be the parent of orphans", "prctl", [PR.SET_CHILD_SUBREAPER, 1, 0, 0, 0]);
  s.call("go to the bundle", "chdir", [l.bundle]);
  closeFrom(s, n.own + 1);
  // Not by the socket: what is said at one of these numbers before it is what it will be must go nowhere.
  const first = s.get(`reserve file descriptor ${n.own + 1}`, "openat", [AT_FDCWD, "/", O.PATH | O.CLOEXEC, 0]);
  for (let at = n.own + 2; at < n.end; at++) s.call(`reserve file descriptor ${at}`, "dup3", [first, at, O.CLOEXEC]);
}

export type KeptStreams = { readonly input: Slot | undefined; readonly output: Slot | undefined };

const open = (s: SectionBuilder, path: string, flags: number) =>
  s.get(`open ${path}`, "openat", [AT_FDCWD, path, flags | O.CLOEXEC, 0o640]);

/**
 * A FIFO that is written to is opened for reading, too: so the open waits for nobody, and the container is not ended by
 * SIGPIPE while containerd is away. A terminal's is not: what nobody reads any more is then thrown away.
 */
function openOutput(s: SectionBuilder, stream: Stream, terminal: boolean): Slot {
  if (stream.kind === "file") return open(s, stream.path, O.WRONLY | O.CREAT | O.APPEND);
  const holder = open(s, stream.path, O.RDONLY | O.NONBLOCK);
  const fd = open(s, stream.path, O.WRONLY | (terminal ? O.NONBLOCK : 0));
  if (terminal) s.call("let go of the other side", "close", [holder]);
  return fd;
}

/** Streams of the keeper, as its child gets them; those of a terminal's other side. */
function openStreams(c: Context, s: SectionBuilder, l: Lifecycle): KeptStreams {
  const { stdin, stdout, stderr } = l.streams ?? {};
  const terminal = c.job.terminal !== undefined;
  const input = stdin && open(s, stdin.path, O.RDONLY);
  const output = stdout && openOutput(s, stdout, terminal);
  const errors = !terminal && stderr ? openOutput(s, stderr, false) : undefined;
  const none = open(s, "/dev/null", O.RDWR);
  const streams = terminal ? [undefined, undefined, undefined] : [input, output, errors];
  for (const [fd, stream] of streams.entries())
    s.call(`make it file descriptor ${fd}`, "dup3", [stream ?? none, fd, 0]);
  if (!terminal) for (const fd of streams) if (fd) s.call("close what is at its number", "close", [fd]);
  return { input: terminal ? input : undefined, output: terminal ? output : undefined };
}

/** The descriptors to begin with: those of the caller, or of a keeper, which has streams to open. */
export function begin(c: Context, s: SectionBuilder, file: OwnFile, l: Lifecycle, n: Numbers): KeptStreams | undefined {
  ignoreBrokenPipes(s);
  if (l.mode !== "kept") {
    reserve(s, file, n);
    return undefined;
  }
  becomeKeeper(s, l, n);
  return openStreams(c, s, l);
}

/** The container lives: its streams are its own, and all that is left is to wait. */
export function keep(
  c: Context,
  s: SectionBuilder,
  o: { readonly pid: Slot; readonly pidfd: Loose; readonly record: EndRecord },
  t: { readonly streams: KeptStreams; readonly master: Loose | undefined },
): void {
  const { streams, master } = t;
  const none = open(s, "/dev/null", O.RDWR);
  for (const fd of [0, 1, 2]) s.call("leave a stream to the container", "dup3", [none, fd, 0]);
  if (master) s.call("keep the terminal", "dup3", [master, KEPT_TERMINAL, O.CLOEXEC]);
  reportStart(c, s, o.pid, undefined);
  const relays = master ? terminalRelays(s, master, streams.input, streams.output ?? none, RELAY_BRIEF) : undefined;
  const signals = takeAllSignals(s);
  const results = s.supervise("wait for the container", {
    child: o.pid,
    pidfd: o.pidfd,
    signals,
    ...(relays && { relays }),
  });
  fillRecord(c, s, o.record, results);
  afterEnd(c, s, o.record, results);
}
