import type { SectionBuilder } from "../program/builder.ts";
import type { Block } from "../program/types.ts";
import { buffer, into } from "../program/values.ts";
import { bytesOf } from "../values/bytes.ts";
import { must } from "./conditions.ts";

/** Pieces of a text, from a byte on, that may come in any order. */
export type AnyOrder = { readonly at: number; readonly pieces: readonly string[] };

const lengthOf = (text: string): number => bytesOf(text).length;
/** The byte behind the last of them. */
export const endOf = ({ at, pieces }: AnyOrder): number => pieces.reduce((n, piece) => n + lengthOf(piece), at);

/** Each of the pieces is there once. */
function checkPieces(s: SectionBuilder, path: string, read: Block, { at, pieces }: AnyOrder): void {
  const { program } = s;
  const lengths = pieces.map(lengthOf);
  const [next, piece] = [program.slot("next piece"), buffer("piece", Math.max(...lengths) + 1)];
  const seen = pieces.map((_, i) => program.slot(`piece ${i} was seen`));
  for (const was of seen) s.let(was, 0);
  s.let(next, into(read, at));
  for (const _ of pieces)
    for (const [i, was] of seen.entries())
      s.skipIf(was, "!=", 0, () => {
        s.copy(next, piece, 0, lengths[i] as number);
        s.skipIf(piece, "other", pieces[i] as string, () => {
          s.let(was, 1);
          s.let(next, next, lengths[i]);
        });
      });
  for (const was of seen) must(s, `${path} has the same pieces`, was, "==", 1);
}

/**
 * What was read into a block is `text`, but for the order of pieces of it; those that may be in any order are said in the order in which they
 * come. The block is not what was read any more: each part ends where the next begins.
 */
export function checkAnyOrder(
  s: SectionBuilder,
  path: string,
  read: Block,
  text: string,
  free: readonly AnyOrder[],
): void {
  const bytes = bytesOf(text);
  const decode = (from: number, to: number) => new TextDecoder().decode(bytes.subarray(from, to));
  let until = bytes.length;
  for (const pieces of [...free].reverse()) {
    const end = endOf(pieces);
    must(s, `${path} goes on as before`, into(read, end), "same", decode(end, until));
    checkPieces(s, path, read, pieces);
    until = pieces.at;
    s.copy("", read, until, 0);
  }
  must(s, `${path} begins as before`, read, "same", decode(0, until));
}
