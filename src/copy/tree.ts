import {
  fchmodSync,
  fchownSync,
  fstatSync,
  futimesSync,
  lchownSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  symlinkSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { O } from "../kernel/flags.ts";
import { CaissonError } from "../values/errors.ts";
import { type Entry, listed, openDirectory, openFile, pathOf, statOf, using } from "./entry.ts";

/** Numbers of an owner, as this process sees them. */
export type Owner = { readonly uid: number; readonly gid: number };

export type Copying = {
  /** Whose the copy of something is. */
  owner(of: Stats): Owner;
  /** The bits of a mode that are kept. */
  readonly permissions: number;
  /** What is no file, directory or link is left out: by its path below what is copied. */
  leaveOut(path: string): void;
};

const PIECE = 1 << 20;

function copyBytes(from: number, to: number): void {
  const piece = Buffer.allocUnsafe(PIECE);
  for (let n = readSync(from, piece, 0, PIECE, null); n > 0; n = readSync(from, piece, 0, PIECE, null))
    for (let at = 0; at < n; ) at += writeSync(to, piece, at, n - at);
}

/** Last, since a change of the owner takes the set-user-ID bit away (chown(2)), and writing makes it new. */
function finish(fd: number, stat: Stats, o: Copying): void {
  const { uid, gid } = o.owner(stat);
  fchownSync(fd, uid, gid);
  fchmodSync(fd, stat.mode & o.permissions);
  futimesSync(fd, stat.atime, stat.mtime);
}

function create(to: Entry): number {
  const made = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW;
  return openSync(pathOf(to), made, 0o600);
}

/** A file that is there stays the same one, as one that is bound there must; one that is being executed goes. */
function openCopy(to: Entry): number {
  const there = statOf(to);
  if (!there) return create(to);
  if (there.isFile())
    try {
      const fd = openFile(to, O.WRONLY | O.TRUNC);
      if (fd !== undefined) return fd;
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== "ETXTBSY") throw e;
    }
  unlinkSync(pathOf(to));
  return create(to);
}

function copyFile(from: Entry, to: Entry, o: Copying, path: string): void {
  const source = openFile(from, O.RDONLY);
  if (source === undefined) o.leaveOut(path);
  else
    using(source, () => {
      const stat = fstatSync(source);
      using(openCopy(to), (fd) => {
        copyBytes(source, fd);
        finish(fd, stat, o);
      });
    });
}

function copyLink(from: Entry, to: Entry, stat: Stats, o: Copying): void {
  const target = readlinkSync(pathOf(from));
  if (statOf(to)) unlinkSync(pathOf(to));
  symlinkSync(target, pathOf(to));
  const { uid, gid } = o.owner(stat);
  lchownSync(pathOf(to), uid, gid);
}

/** What is in one directory, into another. */
export function copyContents(from: number, to: number, o: Copying, path = ""): void {
  const { dev, ino } = fstatSync(to);
  for (const name of readdirSync(listed(from))) {
    const entry = { at: from, name };
    const stat = statOf(entry);
    // It went meanwhile, or it is the copy itself.
    if (!stat || (stat.dev === dev && stat.ino === ino)) continue;
    copyEntry(entry, { at: to, name }, o, `${path}/${name}`);
  }
}

function copyDirectory(from: Entry, to: Entry, o: Copying, path: string): void {
  const isNew = statOf(to) === undefined;
  if (isNew) mkdirSync(pathOf(to), { mode: 0o700 });
  using(openDirectory(from), (source) =>
    using(openDirectory(to), (target) => {
      copyContents(source, target, o, path);
      const stat = fstatSync(source);
      if (isNew) finish(target, stat, o);
    }),
  );
}

/** A directory with all that is in it, a file, or a link; what is there of another kind is not replaced by or with a directory. */
export function copyEntry(from: Entry, to: Entry, o: Copying, path = from.name): void {
  const stat = statOf(from);
  if (!stat) throw new CaissonError(`${path}: it is not there`);
  const there = statOf(to);
  if (there && there.isDirectory() !== stat.isDirectory())
    throw new CaissonError(`${path}: a directory and what is none cannot take each other's place`);
  try {
    if (stat.isDirectory()) copyDirectory(from, to, o, path);
    else if (stat.isFile()) copyFile(from, to, o, path);
    else if (stat.isSymbolicLink()) copyLink(from, to, stat, o);
    else o.leaveOut(path);
  } catch (e) {
    // The kernel's error names descriptors of ours.
    const { code, syscall } = e as NodeJS.ErrnoException;
    throw code === undefined || e instanceof CaissonError ? e : new CaissonError(`copy ${path}: ${syscall}: ${code}`);
  }
}
