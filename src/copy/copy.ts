import { type BigIntStats, closeSync, fstatSync, type Stats } from "node:fs";
import { basename, dirname, posix } from "node:path";
import { MOST_LINKS } from "../host/in-root.ts";
import { CaissonError } from "../values/errors.ts";
import { type Entry, exactStatOf, isSame, openDirectory, statOf, targetOf, whileOpen } from "./entry.ts";
import type { Place } from "./place.ts";
import { type Copying, copyContents, copyEntry, isSpecial, NOT_REPLACED } from "./tree.ts";

export type CopyOptions = {
  /**
   * With the numbers of users and groups, and with set-user-ID and set-group-ID bits, which would mean something else with
   * the other side's own. Default: false, and what is copied belongs to the caller, or to the container's root.
   */
  readonly archive?: boolean;
  /** Of a source that is a link, what it leads to, by the link's name. Default: false, and the link itself is copied. */
  readonly followLink?: boolean;
};

export type CopyResult = {
  /** Sockets, FIFOs and devices: their paths, which begin with the name of what was copied. */
  readonly leftOut: readonly string[];
};

/** What has no name in a directory above it: the top, or what follows a slash. */
const isContents = (path: string): boolean => path === "/" || /(^|\/)\.{1,2}\/?$/.test(path);

async function opened({ side, path, field }: Place, use: (fd: number) => Promise<void> | void): Promise<void> {
  const fd = await side.open(path);
  if (fd === undefined) throw new CaissonError(`${field}: ${path} is not there`);
  await whileOpen(fd, use);
}

/** Whether a directory is another, or below it: its copy would have to have a copy of itself. */
function isWithin(fd: number, what: Entry): boolean {
  const top = exactStatOf(what);
  let name = ".";
  for (let last: BigIntStats | undefined; ; name += "/..") {
    const stat = exactStatOf({ at: fd, name });
    if (isSame(stat, top)) return true;
    if (last && isSame(stat, last)) return false;
    last = stat;
  }
}

/** Where a copy goes: into a directory that is there, or to a name in one. */
async function target(to: Place, name: string, use: (e: Entry, isThere: boolean) => Promise<void>): Promise<void> {
  const there = await to.side.open(to.path);
  if (there !== undefined) {
    const stat = fstatSync(there);
    if (stat.isDirectory()) return whileOpen(there, () => use({ at: there, name }, true));
    closeSync(there);
    // Also where a link leads there, such as /dev/stdout.
    if (isSpecial(stat)) throw new CaissonError(`${to.field}: ${to.path}: ${NOT_REPLACED}`);
    if (to.path.endsWith("/")) throw new CaissonError(`${to.field}: ${to.path} is not a directory`);
  } else if (to.path.endsWith("/")) throw new CaissonError(`${to.field}: the directory ${to.path} is not there`);
  const parent = { ...to, path: dirname(posix.normalize(to.path)) };
  return opened(parent, (at) => use({ at, name: basename(to.path) }, false));
}

/** The entry that a path leads to, and whether there is one: the last name of it is not followed. */
async function entryOf(from: Place, use: (e: Entry, stat: Stats) => Promise<void>): Promise<void> {
  const { path } = from;
  const [above, name] = isContents(path) ? [path, "."] : [dirname(path), basename(path)];
  await opened({ ...from, path: above }, async (at) => {
    const stat = statOf({ at, name });
    if (!stat) throw new CaissonError(`${from.field}: ${path} is not there`);
    await use({ at, name }, stat);
  });
}

/** The place that a link leads to, each link on its own side. */
async function followed(from: Place): Promise<Place> {
  let place = from;
  for (let links = 0; ; links++) {
    let next: string | undefined;
    await entryOf(place, async (e, stat) => {
      if (stat.isSymbolicLink()) next = targetOf(e);
    });
    if (next === undefined) return place;
    if (links === MOST_LINKS) throw new CaissonError(`${from.field}: ${from.path} leads through too many links`);
    place = { ...place, path: next.startsWith("/") ? next : `${dirname(place.path)}/${next}` };
  }
}

/** File systems that are the kernel's own, and devices: of the whole of a container they are no part. */
const KERNEL_VIEWS = ["/proc", "/sys", "/dev"];

/**
 * Copies a file, a directory or a link, as cp(1) does with -r: into the destination, if that is a directory, else to that
 * name. Of a source that ends in "/." what is in it is copied. Links are copied as links, but for a source that ends in "/".
 * Of a container's whole root filesystem its /proc, /sys and /dev stay behind.
 */
export async function copy(from: Place, to: Place, o: CopyOptions = {}): Promise<CopyResult> {
  const owner = (of: Stats) => (o.archive ? to.side.seen(from.side.own(of)) : to.side.self);
  const { make } = to.side;
  const leftOut: string[] = [];
  const leaveOut = (path: string) => void leftOut.push(posix.normalize(path));
  const isWhole = posix.normalize(`/${from.path}`) === "/" && from.side.isContainer;
  const top = isContents(from.path);
  const isDirectory = from.path.endsWith("/");
  await entryOf(isDirectory || o.followLink ? await followed(from) : from, async (what, source) => {
    if (isDirectory && !source.isDirectory()) throw new CaissonError(`${from.field}: ${from.path} is not a directory`);
    const isLeft = (path: string, { dev }: Stats) =>
      isWhole && dev !== source.dev && KERNEL_VIEWS.includes(posix.normalize(`/${path}`));
    const copying: Copying = { make, owner, permissions: o.archive ? 0o7777 : 0o1777, leaveOut, isLeft };
    const name = top ? "." : basename(from.path);
    await target(to, name, (e, isThere) => {
      if (isWithin(e.at, what)) throw new CaissonError(`${to.field}: ${to.path} is in the directory that is copied`);
      if (!top || !isThere) return copyEntry(what, source, e, copying, name);
      return whileOpen(openDirectory(what), (from) =>
        whileOpen(openDirectory({ at: e.at, name: "." }), (into) => copyContents(from, into, copying)),
      );
    });
  });
  return { leftOut };
}
