import {
  fchmodSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  readSync,
  type Stats,
  unlinkSync,
  writeSync,
} from "node:fs";
import { namesOf } from "../host/files.ts";
import { O } from "../kernel/flags.ts";
import { isCode } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import {
  type Entry,
  exactStatOf,
  isSame,
  openDirectory,
  openFile,
  pathOf,
  reopened,
  statOf,
  targetOf,
  whileOpen,
} from "./entry.ts";

/** Numbers of an owner, as this process sees them. */
export type Owner = { readonly uid: number; readonly gid: number };

/** What is made: a file and a directory for nobody but its owner, who is the caller yet. */
export type Made =
  | { readonly kind: "file" }
  | { readonly kind: "directory" }
  | { readonly kind: "link"; readonly target: string };

export type Copying = {
  /** Makes something where nothing is. */
  make(to: Entry, what: Made): Promise<void>;
  /** Whose the copy of something is. */
  owner(of: Stats): Owner;
  /** The bits of a mode that are kept. */
  readonly permissions: number;
  /** What is no file, directory or link is left out: by its path below what is copied. */
  leaveOut(path: string): void;
  /** A directory that is made, and nothing in it. */
  isLeft(path: string, stat: Stats): boolean;
};

const PIECE = 1 << 20;
/** Of all files: to make two for each would cost more than a small file's copy. */
const [piece, zeros] = [Buffer.allocUnsafe(PIECE), Buffer.alloc(PIECE)];

/**
 * Into a file that is empty: as much as there is when it begins, for whoever goes on writing may do so without end. Files of the
 * kernel say that they have nothing. What is all zeros is not written: files may have holes larger than any disk.
 */
function copyBytes(from: number, to: number, most: number): void {
  const next = () => readSync(from, piece, 0, most === 0 ? PIECE : Math.min(PIECE, most - size), null);
  let size = 0;
  for (let n = next(); n > 0; n = next()) {
    if (piece.compare(zeros, 0, n, 0, n) !== 0)
      for (let at = 0; at < n; ) at += writeSync(to, piece, at, n - at, size + at);
    size += n;
  }
  ftruncateSync(to, size);
}

/** Last, since a change of the owner takes the set-user-ID bit away (chown(2)), and writing makes it new. */
function finish(fd: number, stat: Stats, o: Copying): void {
  const { uid, gid } = o.owner(stat);
  fchownSync(fd, uid, gid);
  fchmodSync(fd, stat.mode & o.permissions);
  futimesSync(fd, stat.atime, stat.mtime);
}

type Known = { readonly from: Entry; readonly to: Entry; readonly there: Stats | undefined; readonly path: string };

/** A file that is there stays the same one, as one that is bound there must; one that is being executed goes. */
async function openCopy(from: number, { to, there }: Known, o: Copying): Promise<number> {
  if (there && isSame(exactStatOf(to), fstatSync(from, { bigint: true })))
    throw new CaissonError(`${to.name}: source and destination are the same file`);
  if (there?.isFile())
    try {
      const fd = openFile(to, O.WRONLY | O.TRUNC);
      if (fd !== undefined) return fd;
    } catch (e) {
      if (!isCode(e, "ETXTBSY")) throw e;
    }
  if (there) unlinkSync(pathOf(to));
  await o.make(to, { kind: "file" });
  const fd = openFile(to, O.WRONLY);
  if (fd === undefined) throw new CaissonError(`${to.name}: something else was put in its place`);
  return fd;
}

async function copyFile(known: Known, o: Copying): Promise<void> {
  const source = openFile(known.from, O.RDONLY);
  if (source === undefined) o.leaveOut(known.path);
  else
    await whileOpen(source, async () => {
      const stat = fstatSync(source);
      await whileOpen(await openCopy(source, known, o), (fd) => {
        copyBytes(source, fd, stat.size);
        finish(fd, stat, o);
      });
    });
}

async function copyLink({ from, to, there }: Known, stat: Stats, o: Copying): Promise<void> {
  const target = targetOf(from);
  if (there) unlinkSync(pathOf(to));
  await o.make(to, { kind: "link", target });
  const { uid, gid } = o.owner(stat);
  lchownSync(pathOf(to), uid, gid);
}

/** What is in one directory, into another. */
export async function copyContents(from: number, to: number, o: Copying, path = ""): Promise<void> {
  for (const name of namesOf(reopened(from))) {
    const entry = { at: from, name };
    const stat = statOf(entry);
    // What went meanwhile is not copied.
    if (stat) await copyEntry(entry, stat, { at: to, name }, o, `${path}/${name}`);
  }
}

async function copyDirectory({ from, to, there, path }: Known, o: Copying): Promise<void> {
  if (!there) await o.make(to, { kind: "directory" });
  await whileOpen(openDirectory(from), (source) =>
    whileOpen(openDirectory(to), async (target) => {
      const stat = fstatSync(source);
      if (!o.isLeft(path, stat)) await copyContents(source, target, o, path);
      if (!there) finish(target, stat, o);
    }),
  );
}

/** No file, directory or link: a device, a FIFO or a socket. */
export const isSpecial = (s: Stats): boolean => !s.isFile() && !s.isDirectory() && !s.isSymbolicLink();
export const NOT_REPLACED = "a device, a FIFO or a socket is there, and is not replaced";

/**
 * A directory with all that is in it, a file, or a link; what is there of another kind is not replaced by or with a directory, and what
 * is special not at all: a file in place of /dev/null would be the end of a machine.
 */
export async function copyEntry(from: Entry, stat: Stats, to: Entry, o: Copying, path = from.name): Promise<void> {
  const there = statOf(to);
  if (there && there.isDirectory() !== stat.isDirectory())
    throw new CaissonError(`${path}: a directory and what is none cannot take each other's place`);
  if (there && isSpecial(there) && !isSpecial(stat)) throw new CaissonError(`${path}: ${NOT_REPLACED}`);
  const known: Known = { from, to, there, path };
  try {
    if (stat.isDirectory()) await copyDirectory(known, o);
    else if (stat.isFile()) await copyFile(known, o);
    else if (stat.isSymbolicLink()) await copyLink(known, stat, o);
    else o.leaveOut(path);
  } catch (e) {
    // The kernel's error names descriptors of ours.
    const { code, syscall } = e as NodeJS.ErrnoException;
    throw code === undefined || e instanceof CaissonError ? e : new CaissonError(`copy ${path}: ${syscall}: ${code}`);
  }
}
