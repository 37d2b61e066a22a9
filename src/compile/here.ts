import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, PATH_MAX } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { buffer, into, struct, textBlock } from "../program/values.ts";
import type { Context } from "./context.ts";
import type { Process, Spec } from "./spec.ts";

/** In place of the working directory of a spec: that in which the program is performed, whatever it is then. No path has the first of its characters. */
export const HERE = "\u0000here";

/** What a path may consist of to be said in JSON as it is: all that ASCII prints but \ and ". */
export const SAID_AS_IT_IS =
  " !#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/** Whether a program may be performed in a directory of this name that was compiled for any. */
export const canBeHere = (cwd: string): boolean =>
  cwd.startsWith("/") && [...cwd].every((c) => SAID_AS_IT_IS.includes(c));

export const placeOf = (spec: Spec): Block | undefined =>
  spec.process?.cwd === HERE ? buffer("working directory", PATH_MAX) : undefined;

/** A label, but for the directory: who tells of a failure knows where that was, if it was here. */
export const ENTER_LABEL = "enter the working directory ";

export const workingDirectory = (c: Context, { cwd }: Process) =>
  c.here && cwd === HERE ? { path: c.here, label: ENTER_LABEL } : { path: cwd, label: `${ENTER_LABEL}${cwd}` };

const IOVEC = 16;

/**
 * Writes a JSON text to an open file in one call, with the working directory where it says HERE; `here` has its path from then on.
 * Whoever may rename a directory is not to write into what is noted in JSON.
 */
export function writeWithHere(s: SectionBuilder, fd: Slot, json: string, here: Block): void {
  const ask = "ask for the working directory";
  const length = s.get(ask, "readlinkat", [AT_FDCWD, "/proc/self/cwd", here, PATH_MAX - 1]);
  s.skipIf(here, "only", SAID_AS_IT_IS, () => s.fail(ask, errno("ESTALE")));
  // With its quotes: no text of somebody else's has them without a backslash.
  const [before = "", after = ""] = json.split(`"cwd":${JSON.stringify(HERE)}`);
  const [first, last] = [textBlock(`${before}"cwd":"`), textBlock(`"${after}`)];
  const pieces = struct(
    "pieces",
    [first, here, last].flatMap((block) => [
      [8, into(block)] as const,
      [8, block === here ? 0 : block.bytes.length] as const,
    ]),
  );
  s.store(length, pieces, IOVEC + 8, 8);
  s.call("write the state", "writev", [fd, pieces, 3]);
}
