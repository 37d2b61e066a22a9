import { type BigIntStats, closeSync, fstatSync, lstatSync, openSync, type Stats } from "node:fs";
import { linkTarget } from "../host/files.ts";
import { O } from "../kernel/flags.ts";
import { fsPath } from "../values/bytes.ts";

/**
 * A name in a directory that is open. Whoever may rename things meanwhile can't put another directory in its place, and
 * nothing is followed from here: of what is looked at by a path, only the last name is not the kernel's own.
 */
export type Entry = { readonly at: number; readonly name: string };

/** By its descriptor, which can be opened again by nobody but us. proc(5), "/proc/[pid]/fd" */
export const reopened = (fd: number): string => `/proc/self/fd/${fd}`;
export const pathOf = ({ at, name }: Entry): string | Buffer => fsPath(`${reopened(at)}/${name}`);

export const targetOf = (e: Entry): string => linkTarget(pathOf(e));
export const statOf = (e: Entry): Stats | undefined => lstatSync(pathOf(e), { throwIfNoEntry: false });

/** Numbers of inodes may have all 64 bits, as those of an overlay do: in `Stats` they are rounded, and files seem to be one. */
export const isSame = (a: BigIntStats, b: BigIntStats): boolean => a.dev === b.dev && a.ino === b.ino;
export const exactStatOf = (e: Entry): BigIntStats => lstatSync(pathOf(e), { bigint: true });

/** Not "using": `await using(…)` is a declaration to some parsers. */
export async function whileOpen(fd: number, use: (fd: number) => Promise<void> | void): Promise<void> {
  try {
    await use(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Opens what is a regular file, or nothing: what looks like one and is a device by the time that it is opened would do
 * something. A link is not followed.
 */
export function openFile(e: Entry, flags: number): number | undefined {
  const fd = openSync(pathOf(e), O.PATH | O.NOFOLLOW);
  try {
    return fstatSync(fd).isFile() ? openSync(reopened(fd), flags) : undefined;
  } finally {
    closeSync(fd);
  }
}

export const openDirectory = (e: Entry): number => openSync(pathOf(e), O.RDONLY | O.DIRECTORY | O.NOFOLLOW);
