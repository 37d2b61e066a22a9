import { errno } from "../kernel/errno.ts";
import { O } from "../kernel/flags.ts";
import type { Program, Value } from "../program/types.ts";
import { addressOf, argument, high, into, low, struct } from "../program/values.ts";
import { CaissonError } from "../values/errors.ts";
import { withHoles } from "./holes.ts";

/** What one write(2) takes of pieces (IOV_MAX), and a pipe of bytes (pipe(7)). */
const [MOST_PIECES, MOST_BYTES] = [1024, 65536];
const IOVEC = 16;

/** The same program, but in place of a text it has a word that it is executed with, which must be as long. */
export const withGivenWord = (program: Program, text: string, index: number, called: string): Program =>
  withGivenText(program, text, argument(index), called);

/**
 * The same program, but in place of a text it has the one at an address, which must be as long. It goes through a pipe: into as many places as
 * there are, by two system calls.
 */
export function withGivenText(program: Program, text: string, given: Value, called: string): Program {
  const { length } = new TextEncoder().encode(text);
  return withHoles(program, text, called, (s, holes) => {
    const all = holes.length * length;
    if (holes.length > MOST_PIECES || all > MOST_BYTES)
      throw new CaissonError(`${text} is in ${holes.length} places, too many for a pipe`);
    if (holes.length === 0) return;
    const from = struct(
      `${called}, as often`,
      holes.flatMap(() => [[8, 0] as const, [8, length] as const]),
    );
    const to = struct(
      `places of ${called}`,
      holes.flatMap((h) => [[8, into(h.block, h.at)] as const, [8, length] as const]),
    );
    for (let i = 0; i < holes.length; i++) s.store(given, from, IOVEC * i, 8);
    const pipe = s.program.slot(`pipe for ${called}`);
    s.call("make a pipe", "pipe2", [addressOf(pipe), O.CLOEXEC]);
    const went = s.get(`put ${called} into it`, "writev", [high(pipe), from, holes.length]);
    s.skipIf(went, "==", all, () => s.fail(`put ${called} into it`, errno("EIO")));
    s.call(`put ${called} in its places`, "readv", [low(pipe), to, holes.length]);
    for (const end of [low(pipe), high(pipe)]) s.call("close the pipe", "close", [end]);
  });
}
