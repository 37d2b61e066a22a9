import { AT_FDCWD, O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Block } from "../../program/types.ts";
import { argument, buffer, into } from "../../program/values.ts";
import { type AnyOrder, endOf } from "../../remember/any-order.ts";
import { must } from "../../remember/conditions.ts";
import { NAMES_FOR_ONCE } from "../../remember/runtime-words.ts";

/** Where a name for once is found the next time: it is the beginning of the id, or at a place of the configuration. */
export type Source = { readonly name: string; readonly block: Block; readonly at: number | undefined };

/** What may come in any order is at no place. */
function placeOf(name: string, text: string, free: readonly AnyOrder[]): number | undefined {
  const bytes = Buffer.from(text);
  const starts = [0, ...free.map(endOf)];
  for (const [i, from] of starts.entries()) {
    const at = bytes.subarray(0, free[i]?.at ?? bytes.length).indexOf(name, from);
    if (at >= 0) return at;
  }
  return undefined;
}

/** undefined: one of them is nowhere. */
export function sourcesOf(
  names: readonly string[],
  id: string,
  text: string,
  free: readonly AnyOrder[],
): readonly Source[] | undefined {
  const sources: Source[] = [];
  for (const name of names) {
    const at = id.startsWith(name) ? undefined : placeOf(name, text, free);
    if (at === undefined && !id.startsWith(name)) return undefined;
    sources.push({ name, block: buffer("name for once", name.length + 1), at });
  }
  return sources;
}

/** Finds out what the names are this time, whose id is a word. */
export function findNames(s: SectionBuilder, config: string, id: number, sources: readonly Source[]): void {
  const fd = s.get("open the configuration", "openat", [AT_FDCWD, config, O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0]);
  for (const { name, block, at } of sources)
    if (at === undefined) s.copy(argument(id), block, 0, name.length);
    else {
      const read = s.get("read a name for once", "pread64", [fd, block, name.length, at]);
      must(s, "it is as long", read, "==", name.length);
      must(s, "it is a name", block, "only", NAMES_FOR_ONCE.characters);
      must(s, "it is as long", into(block, name.length - 1), "other", "");
    }
  s.call("close the configuration", "close", [fd]);
}
