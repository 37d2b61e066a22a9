import { type BigIntStats, closeSync, lstatSync, openSync, readSync, statSync } from "node:fs";
import { type Statx, statx, wordOf } from "../compile/statx.ts";
import { linkTarget } from "../host/files.ts";
import { errno } from "../kernel/errno.ts";
import { AT, AT_FDCWD, LOCK, O, PATH_MAX } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { ANY, type Block } from "../program/types.ts";
import { buffer, high, into, type Loose } from "../program/values.ts";
import { fsPath, orBytes } from "../values/bytes.ts";
import { type AnyOrder, checkAnyOrder } from "./any-order.ts";

/** What was seen of the machine when a program was compiled, and must be seen again for it to be performed. */
export type Condition =
  /** A file of this text. Its reads ended where these numbers say: files of /proc are read record by record. */
  | {
      readonly kind: "text";
      readonly path: string;
      readonly reads: readonly number[];
      readonly text: string;
      readonly free?: readonly AnyOrder[];
    }
  /** A file of this mode: its type and its permissions. undefined: there is none. */
  | { readonly kind: "mode"; readonly path: string; readonly link: Link; readonly mode: number | undefined }
  /** The same file, unchanged. */
  | { readonly kind: "same"; readonly path: string; readonly words: readonly bigint[] }
  /** The top of the same mount: inode, and device as statx(2) has it, in one word. */
  | { readonly kind: "mount"; readonly path: string; readonly words: readonly [inode: bigint, device: bigint] }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  /** A file that somebody has locked: a supervisor looks after what it stands for. */
  | { readonly kind: "held"; readonly path: string };

type Text = Condition & { readonly kind: "text" };

/** A link at the end of a path is followed, or looked at itself. */
type Link = "followed" | "itself";

/** Asked for by each read: a machine of many mounts has a long list of them, and most have a short one. */
const AT_ONCE = 4096;

export function textNow(path: string): Text {
  const fd = openSync(fsPath(path), "r");
  const chunks: Buffer[] = [];
  try {
    for (let n = -1; n !== 0; ) {
      const chunk = Buffer.alloc(AT_ONCE);
      n = readSync(fd, chunk, 0, AT_ONCE, null);
      chunks.push(chunk.subarray(0, n));
    }
  } finally {
    closeSync(fd);
  }
  const whole = Buffer.concat(chunks);
  return { kind: "text", path, reads: chunks.map((c) => c.length), text: orBytes(whole.toString("utf8"), () => whole) };
}

export const modeNow = (path: string, link: Link): Condition => ({
  ...{ kind: "mode", path, link },
  mode: (link === "itself" ? lstatSync : statSync)(fsPath(path), { throwIfNoEntry: false })?.mode,
});

/** A device number (makedev(3)) as two of 32 bits. */
function split(dev: bigint): bigint {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return (minor << 32n) | major;
}

export function mountNow(path: string): Condition {
  const { ino, dev } = statSync(fsPath(path), { bigint: true });
  return { kind: "mount", path, words: [ino, split(dev)] };
}

export const linkNow = (path: string): Condition => ({ kind: "link", path, target: linkTarget(fsPath(path)) });

const SECOND = 1_000_000_000n;

/** Inode, size, and times of change and modification, each as seconds and nanoseconds. */
const wordsOf = (s: BigIntStats): bigint[] => [
  ...[s.ino, s.size],
  ...[s.ctimeNs / SECOND, s.ctimeNs % SECOND, s.mtimeNs / SECOND, s.mtimeNs % SECOND],
];

/** Where there is none, that there is none. */
export function sameNow(path: string): Condition {
  const stat = statSync(fsPath(path), { bigint: true, throwIfNoEntry: false });
  return stat ? { kind: "same", path, words: wordsOf(stat) } : modeNow(path, "followed");
}

const MISSED = errno("ESTALE");

/** Fails, and so ends the section, unless the comparison holds. */
export function must(
  s: SectionBuilder,
  label: string,
  a: Parameters<SectionBuilder["skipIf"]>[0],
  comparison: "==" | "same" | "other" | "only" | "<" | ">",
  b: Parameters<SectionBuilder["skipIf"]>[2],
): void {
  s.skipIf(a, comparison, b, () => s.fail(label, MISSED));
}

/** The first bytes of a text. */
export function beginningOf(s: SectionBuilder, text: Loose, length: number): Block {
  const beginning = buffer("beginning of a text", length + 1);
  s.copy(text, beginning, 0, length);
  return beginning;
}

const lookAt = (s: SectionBuilder, path: string, link: Link = "followed"): Statx =>
  statx(s, `look at ${path}`, path, { flags: link === "itself" ? AT.SYMLINK_NOFOLLOW : 0 });

/** Where texts are read to, one after the other. */
const lengthOf = (c: Text) => c.reads.reduce((n, r) => n + r, 0);
const scratchFor = (conditions: readonly Condition[]): Block =>
  buffer("text", Math.max(0, ...conditions.map((c) => (c.kind === "text" ? lengthOf(c) : 0))) + AT_ONCE + 8);

/** `path` is where it is now. */
function checkText(s: SectionBuilder, c: Text, text: Block, path: Loose = c.path): void {
  const fd = s.program.shared("file to compare");
  s.call(`open ${c.path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.NONBLOCK | O.CLOEXEC, 0], { result: fd });
  const read = s.program.shared("length of what was read");
  let at = 0;
  for (const n of c.reads) {
    s.call(`read ${c.path}`, "read", [fd, into(text, at), AT_ONCE], { result: read });
    must(s, `${c.path} is read as before`, read, "==", n);
    at += n;
  }
  s.store(0, text, at, 8);
  if (c.free) checkAnyOrder(s, c.path, text, c.text, c.free);
  else must(s, `${c.path} is as before`, text, "same", c.text);
  s.call(`close ${c.path}`, "close", [fd]);
}

function checkSame(s: SectionBuilder, c: Condition & { kind: "same" }): void {
  const seen = lookAt(s, c.path);
  const at = [["inode"], ["size"], ["changed", 0], ["changed", 1], ["modified", 0], ["modified", 1]] as const;
  for (const [i, [name, more]] of at.entries())
    must(s, `${c.path} is unchanged`, wordOf(seen, name, more), "==", c.words[i] ?? 0n);
}

function checkMode(s: SectionBuilder, c: Condition & { kind: "mode" }): void {
  const seen = lookAt(s, c.path, c.link);
  if (c.mode === undefined) must(s, `${c.path} is still not there`, seen.result, "<", 0);
  else {
    must(s, `${c.path} is still there`, seen.result, "==", 0);
    must(s, `${c.path} is what it was`, high(wordOf(seen, "mode")), "==", c.mode);
  }
}

function checkMount(s: SectionBuilder, c: Condition & { kind: "mount" }): void {
  const seen = lookAt(s, c.path);
  for (const [i, name] of (["inode", "on"] as const).entries())
    must(s, `what is mounted on ${c.path} is the same`, wordOf(seen, name), "==", c.words[i] ?? 0n);
}

function checkLink(s: SectionBuilder, c: Condition & { kind: "link" }): void {
  const text = buffer(c.path, PATH_MAX);
  s.call(`read ${c.path}`, "readlinkat", [AT_FDCWD, c.path, text, PATH_MAX - 1]);
  must(s, `${c.path} leads where it did`, text, "same", c.target);
}

function checkHeld(s: SectionBuilder, path: string): void {
  const [lock, held] = [s.program.shared("lock"), s.program.shared("is it held?")];
  s.call(`open ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0], { result: lock });
  s.call("is it looked after?", "flock", [lock, LOCK.EX | LOCK.NB], { result: held, ...ANY });
  // If it was not, it is by this process now: whoever looks next is not to be deceived by that.
  s.call(`close ${path}`, "close", [lock]);
  must(s, `${path} is held`, held, "==", -errno("EAGAIN"));
}

/** The same of a file whose name is only known then. */
export const checkFile = (s: SectionBuilder, path: Loose, text: Text): void =>
  checkText(s, text, scratchFor([text]), path);

/** The steps that go on only where all of it is as it was. */
export function check(s: SectionBuilder, conditions: readonly Condition[]): void {
  const scratch = scratchFor(conditions);
  for (const c of conditions)
    if (c.kind === "text") checkText(s, c, scratch);
    else if (c.kind === "same") checkSame(s, c);
    else if (c.kind === "link") checkLink(s, c);
    else if (c.kind === "mount") checkMount(s, c);
    else if (c.kind === "held") checkHeld(s, c.path);
    else checkMode(s, c);
}
