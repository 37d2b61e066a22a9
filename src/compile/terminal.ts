import { AT, O, OPEN_TREE, TTY } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { buffer, high, type Loose, low, struct } from "../program/values.ts";
import { type Context, openInRoot } from "./context.ts";
import { TTY_GROUP } from "./defaults.ts";
import { sendDescriptor, socketPair, takeDescriptor } from "./handover.ts";
import { attach, mountPoint } from "./mounts.ts";

/** Over these the container hands its terminal out to the supervisor. */
export const terminalSockets = (s: SectionBuilder): Slot => socketPair(s, "terminal's sockets");

/** What engines expect beside the descriptor: a name for it. */
const TERMINAL_NAME = "/dev/ptmx";

export const sendTerminal = (s: SectionBuilder, to: Loose, master: Loose): void =>
  sendDescriptor(s, "hand the terminal out", to, master, TERMINAL_NAME);

/** In the container: a pseudo-terminal of its own devpts, as /dev/console, standard streams and controlling terminal. */
export function openTerminal(c: Context, s: SectionBuilder, root: Slot, to: Loose, console = true): void {
  const unlocked = buffer("zero", 4);
  const master = openInRoot(s, root, "/dev/pts/ptmx", O.RDWR | O.NOCTTY, { label: "open a new terminal" });
  s.call("unlock the terminal", "ioctl", [master, TTY.TIOCSPTLCK, unlocked]);
  const peer = s.get("open the terminal's other side", "ioctl", [
    master,
    TTY.TIOCGPTPEER,
    O.RDWR | O.NOCTTY | O.CLOEXEC,
  ]);
  const { rows = 24, columns = 80 } = c.job.terminal ?? {};
  const size = struct("winsize", [
    [2, rows],
    [2, columns],
    [2, 0],
    [2, 0],
  ]);
  if (rows > 0) s.call("set the window size", "ioctl", [master, TTY.TIOCSWINSZ, size]);
  const uid = c.spec.process?.user.uid ?? 0;
  // Without a mapping for the tty group the terminal keeps the group it has.
  s.call("give the terminal to the user", "fchownat", [peer, "", uid, TTY_GROUP, AT.EMPTY_PATH], {
    ignore: ["EINVAL", "EPERM"],
  });
  if (console) {
    const flags = OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT.EMPTY_PATH;
    const tree = s.get("open the terminal for /dev/console", "open_tree", [peer, "", flags]);
    attach(s, "bind the terminal on /dev/console", tree, mountPoint(s, root, "/dev/console", { directory: false }));
  }
  sendTerminal(s, to, master);
  s.call("make it the controlling terminal", "ioctl", [peer, TTY.TIOCSCTTY, 0]);
  for (const fd of [0, 1, 2]) s.call(`make it file descriptor ${fd}`, "dup3", [peer, fd, 0]);
}

/** In the supervisor. */
export function takeTerminal(s: SectionBuilder, sockets: Slot): Loose {
  const { fd } = takeDescriptor(s, "take the container's terminal", low(sockets));
  for (const end of [low(sockets), high(sockets)]) s.call("close the terminal's sockets", "close", [end]);
  return fd;
}

const RELAY_WINDOW = 1;
const RELAY_EOF_CHAR = 2;

/** The end of the container is told within a second, even if nobody takes what it wrote last. */
export const RELAY_BRIEF = 4;

/** What the supervisor moves: the caller's input to the terminal, the terminal's output to the caller. */
export function terminalRelays(
  s: SectionBuilder,
  master: Loose,
  input: Loose | undefined,
  output: Loose,
  flags = 0,
): Block {
  const relays = buffer("relays", input === undefined ? 16 : 32);
  s.store(master, relays, 0, 4);
  s.store(output, relays, 4, 4);
  if (flags) s.store(flags, relays, 8, 4);
  if (input !== undefined) {
    s.store(input, relays, 16, 4);
    s.store(master, relays, 20, 4);
    s.store(RELAY_WINDOW | RELAY_EOF_CHAR, relays, 24, 4);
  }
  return relays;
}

const TERMIOS_SIZE = 64;

/** Puts the caller's own terminal into raw mode; what it was is kept in the block that is returned. termios(3). */
export function rawMode(s: SectionBuilder): Block {
  const [IUTF8, CONTROL, MIN_AT] = [0x4000, 0xbf, 23];
  const saved = buffer("the terminal's settings", TERMIOS_SIZE);
  const raw = buffer("raw settings", TERMIOS_SIZE);
  const view = new DataView(raw.bytes.buffer);
  view.setUint32(0, IUTF8, true);
  view.setUint32(8, CONTROL, true);
  raw.bytes[MIN_AT] = 1;
  s.call("read the terminal's settings", "ioctl", [0, TTY.TCGETS, saved]);
  s.call("make the terminal raw", "ioctl", [0, TTY.TCSETS, raw]);
  return saved;
}

/** No carriage return before the end of a line: what a pipe or a file gets is what was written. As runc has it. */
export function leaveLinesAlone(s: SectionBuilder, master: Loose): void {
  const [OFLAG_AT, OPOST] = [4, 1];
  const settings = buffer("the container's terminal's settings", TERMIOS_SIZE);
  s.call("read the terminal's settings", "ioctl", [master, TTY.TCGETS, settings]);
  s.store(OPOST, settings, OFLAG_AT, 4);
  s.call("leave lines as they are", "ioctl", [master, TTY.TCSETS, settings]);
}

export const restoreMode = (s: SectionBuilder, saved: Block): void =>
  s.call("restore the terminal", "ioctl", [0, TTY.TCSETS, saved], { ignore: "all" });
