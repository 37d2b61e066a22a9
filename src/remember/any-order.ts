import type { SectionBuilder } from "../program/builder.ts";
import type { Block } from "../program/types.ts";
import { buffer, into } from "../program/values.ts";
import { bytesOf } from "../values/bytes.ts";
import { must } from "./conditions.ts";

/** Pieces of a text, from a byte on, that may come in any order. */
export type AnyOrder = { readonly at: number; readonly pieces: readonly string[] };

/** What was read into a block is `text`, but for the order of its pieces. The block is not what was read any more. */
export function checkAnyOrder(
  s: SectionBuilder,
  path: string,
  read: Block,
  text: string,
  { at, pieces }: AnyOrder,
): void {
  const { program } = s;
  const bytes = bytesOf(text);
  const lengths = pieces.map((piece) => bytesOf(piece).length);
  const end = lengths.reduce((a, b) => a + b, at);
  const decode = (from: number, to?: number) => new TextDecoder().decode(bytes.subarray(from, to));
  must(s, `${path} ends as before`, into(read, end), "same", decode(end));
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
  s.copy("", read, at, 0);
  must(s, `${path} begins as before`, read, "same", decode(0, at));
}
