import { compile } from "../compile/compile.ts";
import type { Job } from "../compile/job.ts";
import type { Parts } from "../compile/parts.ts";
import { encode } from "../program/encode.ts";
import type { Program } from "../program/types.ts";
import type { Prepared } from "./prepare.ts";

/** What is sent to a launcher, and the program that it is of: to say what failed. */
export type Startable = Pick<Program, "arch" | "slots"> & { readonly bytes: Uint8Array; program(): Program };

export const startable = (program: Program): Startable => ({
  ...{ arch: program.arch, slots: program.slots },
  bytes: encode(program, false),
  program: () => program,
});

/** A start of one container as bytes; where its name and its token are in them, those of another are put. */
type Template = Pick<Program, "arch" | "slots"> & {
  readonly facts: Prepared["facts"];
  readonly bytes: Uint8Array;
  readonly names: readonly number[];
  readonly tokens: readonly number[];
};

/** Kinds of containers that are kept at most, some 30 KB each. */
const MOST = 16;
const kept = new Map<string, Template>();

type Report = Job["report"] & { readonly to: "library" };
type LibraryJob = Job & { readonly report: Report };

/** A token that nothing else in a program is like, and shorter than a name is. */
const TOKEN = crypto.getRandomValues(new Uint32Array(1))[0] as number;

/** Whether nothing but its name and its token tells one such container from the next. */
export const isTemplate = (p: Prepared, job: Job): job is LibraryJob =>
  job.report.to === "library" &&
  p.options.name === undefined &&
  !job.notify &&
  !job.state &&
  !job.claims &&
  !job.network;

/** The default profile is one object for all containers with the same capabilities, and long. */
const profiles = new WeakMap<object, number>();
let profileCount = 0;
function profileId(seccomp: object | undefined): number {
  if (!seccomp) return 0;
  let id = profiles.get(seccomp);
  if (id === undefined) {
    id = ++profileCount;
    profiles.set(seccomp, id);
  }
  return id;
}

/** As JSON. A function that is called for each value takes ten times as long: only where numbers are too large for it. */
function textOf(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}n` : v));
  }
}

function keyOf({ spec }: Prepared, job: LibraryJob): string {
  const { seccomp, ...linux } = spec.linux ?? {};
  const report = { ...job.report, token: 0 };
  const all = [{ ...spec, linux }, profileId(seccomp), { ...job, report }];
  return textOf(all).replaceAll(job.name, "");
}

function places(bytes: Uint8Array, what: Uint8Array): number[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: number[] = [];
  for (let at = all.indexOf(what); at >= 0; at = all.indexOf(what, at + what.length)) found.push(at);
  return found;
}

const word = (n: number) => new Uint8Array(Uint32Array.of(n).buffer);

function make(p: Prepared, job: LibraryJob, parts: Parts): Template {
  const report = { ...job.report, token: TOKEN };
  const { arch, slots, ...rest } = compile(p.spec, p.facts, { ...job, report }, parts);
  const bytes = encode({ arch, slots, ...rest }, false);
  return {
    ...{ arch, slots, bytes, facts: p.facts },
    names: places(bytes, Buffer.from(job.name)),
    tokens: places(bytes, word(TOKEN)),
  };
}

/**
 * The program of this start, from one that was compiled for another container of the same kind: what `prepare` found out decides that, which
 * looks at the machine each time. To compile takes longer than all else that JavaScript does for a container.
 */
export function fromTemplate(p: Prepared, job: LibraryJob, parts: Parts): Startable {
  const key = keyOf(p, job);
  let found = kept.get(key);
  kept.delete(key);
  if (found?.facts !== p.facts) found = make(p, job, parts);
  kept.set(key, found);
  if (kept.size > MOST) kept.delete(kept.keys().next().value as string);
  const { arch, slots, names, tokens } = found;
  const bytes = found.bytes.slice();
  const name = Buffer.from(job.name);
  for (const at of names) bytes.set(name, at);
  for (const at of tokens) bytes.set(word(job.report.token), at);
  return { arch, slots, bytes, program: () => compile(p.spec, p.facts, job, parts) };
}
