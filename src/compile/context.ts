import type { HostFacts } from "../host/facts.ts";
import { O, RESOLVE } from "../kernel/flags.ts";
import type { ProgramBuilder, SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { type Loose, struct, textBlock } from "../program/values.ts";
import type { Job } from "./job.ts";
import type { Parts } from "./parts.ts";
import type { Namespace, NamespaceKind, Spec } from "./spec.ts";

/** What all files of the compile step are given. */
export type Context = {
  readonly spec: Spec;
  readonly facts: HostFacts;
  readonly job: Job;
  readonly program: ProgramBuilder;
  readonly parts?: Parts;
  /** Where the path of the working directory is, if it is that in which the program is performed. */
  readonly here?: Block;
};

export const namespaceOf = (spec: Spec, kind: NamespaceKind) => spec.linux?.namespaces?.find((n) => n.type === kind);
/** Whether one of that kind is made, and none entered nor shared. */
export const hasNew = (namespaces: readonly Namespace[] | undefined, kind: NamespaceKind): boolean =>
  namespaces?.some((n) => n.type === kind && n.path === undefined) ?? false;
export const isNew = (spec: Spec, kind: NamespaceKind): boolean => hasNew(spec.linux?.namespaces, kind);

/** struct open_how of openat2(2). */
export function openHow(flags: number, resolve: number, mode = 0): Block {
  const key = `${flags} ${resolve} ${mode}`;
  const known = hows.get(key);
  if (known) return known;
  const how = struct("open_how", [
    [8, flags | O.CLOEXEC],
    [8, mode],
    [8, resolve],
  ]);
  hows.set(key, how);
  return how;
}
/** Nobody writes to one: each is made once. */
const hows = new Map<string, Block>();

/** Opens a path as the container will see it: no link in it can lead out of its root. */
export function openInRoot(s: SectionBuilder, root: Loose, path: string, flags: number, o: OpenOptions = {}): Slot {
  const how = openHow(flags, RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | (o.resolve ?? 0), o.mode);
  const label = o.label ?? `open ${path} in the container`;
  return s.get(label, "openat2", [root, path, how, how.bytes.length], o.ignore ? { ignore: o.ignore } : {});
}
type OpenOptions = { label?: string; resolve?: number; mode?: number; ignore?: readonly string[] };

/** Writes a text to an open file in one write(2), as files of the kernel want it. */
export function writeText(s: SectionBuilder, label: string, fd: Loose, text: string, ignore?: readonly string[]): void {
  const block = textBlock(text);
  s.call(label, "write", [fd, block, block.bytes.length], ignore ? { ignore } : {});
}

/** `what`: a text, or what writes more than that. */
export function writeFile(
  s: SectionBuilder,
  label: string,
  path: string,
  what: string | ((fd: Slot) => void),
  flags: number = O.WRONLY,
): void {
  const fd = s.get(label, "openat", [-100, path, flags | O.CLOEXEC, 0o600]);
  if (typeof what === "string") writeText(s, label, fd, what);
  else what(fd);
  s.call(`close ${path}`, "close", [fd]);
}
