import { AT, AT_FDCWD } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, type Loose } from "../program/values.ts";

/** struct statx (statx(2)) in words of 8 bytes; the mode is in the upper half of its word, the links in the lower of theirs; "on" is the device that it is on, "mount" the mount. */
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
  mount: 18,
} as const;
const BASIC = 0x7ff;
/** Nothing is asked of the file system, which may be one of a container's (AT_STATX_DONT_SYNC): which mount it is the kernel knows. */
const DONT_SYNC = 0x4000;
/** STATX_MNT_ID is what mountinfo has, and comes again; STATX_MNT_ID_UNIQUE (Linux 6.8) does not. Before, the former is given for both. */
const MOUNT = { listed: 0x1000, unique: 0x5000 } as const;

export type Statx = { readonly result: Slot; readonly words: readonly Slot[] };
export const wordOf = ({ words }: Statx, name: Exclude<keyof typeof STATX, "words">, more = 0): Slot =>
  words[STATX[name] + more] as Slot;

function look(
  s: SectionBuilder,
  label: string,
  [at, path, flags, mask]: readonly [Loose, Loose, number, number],
): Statx {
  const words = Array.from({ length: STATX.words }, (_, i) => s.program.shared(`statx ${i}`));
  const result = s.program.shared("result of statx");
  s.call(label, "statx", [at, path, flags, mask, addressOf(words[0] as Slot)], { result, ignore: "all" });
  return { result, words };
}

/** Looks at a file; the slots hold what was seen until the next look of the program. */
export const statx = (
  s: SectionBuilder,
  label: string,
  path: Loose,
  { at = AT_FDCWD, flags = 0 }: { at?: Loose; flags?: number } = {},
): Statx => look(s, label, [at, path, flags, BASIC]);

/** The number of the mount that an open file is on, until the next look of the program. */
export const mountIdOf = (s: SectionBuilder, label: string, fd: Loose, kind: keyof typeof MOUNT): Slot =>
  wordOf(look(s, label, [fd, "", AT.EMPTY_PATH | DONT_SYNC, MOUNT[kind]]), "mount");
