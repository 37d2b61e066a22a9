import { AT_FDCWD } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, type Loose } from "../program/values.ts";

/** struct statx (statx(2)) in words of 8 bytes; the mode is in the upper half of its word, the links in the lower of theirs; "on" is the device that it is on. */
export const STATX = {
  words: 32,
  links: 2,
  mode: 3,
  inode: 4,
  size: 5,
  changed: 12,
  modified: 14,
  device: 16,
  on: 17,
} as const;
const BASIC = 0x7ff;

export type Statx = { readonly result: Slot; readonly words: readonly Slot[] };
export const wordOf = ({ words }: Statx, name: Exclude<keyof typeof STATX, "words">, more = 0): Slot =>
  words[STATX[name] + more] as Slot;

/** Looks at a file; the slots hold what was seen until the next look of the program. */
export function statx(
  s: SectionBuilder,
  label: string,
  path: Loose,
  { at = AT_FDCWD, flags = 0 }: { at?: Loose; flags?: number } = {},
): Statx {
  const words = Array.from({ length: STATX.words }, (_, i) => s.program.shared(`statx ${i}`));
  const result = s.program.shared("result of statx");
  s.call(label, "statx", [at, path, flags, BASIC, addressOf(words[0] as Slot)], { result, ignore: "all" });
  return { result, words };
}
