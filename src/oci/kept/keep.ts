import type { HostFacts } from "../../host/facts.ts";
import { encode } from "../../program/encode.ts";
import { executor } from "../../program/executor.ts";
import { asked } from "../../program/frames.ts";
import { link } from "../../program/link.ts";
import type { Program } from "../../program/types.ts";
import { type Condition, textNow } from "../../remember/conditions.ts";
import { withGivenWord } from "../../remember/given-word.ts";
import { runtimeChecks, type Word } from "../../remember/runtime-checks.ts";
import { remember } from "../../remember/store.ts";
import { codeOf } from "../../values/code-of.ts";
import { CaissonError } from "../../values/errors.ts";
import type { Global } from "../context.ts";
import type { Given } from "./lasting.ts";

/** What may be another word the next time: what the program was compiled with in its place, and what the word may consist of. */
export type Other = Given & { readonly standsFor: string; readonly characters: string };

const LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/** As directoryOf has it (src/oci/places.ts). */
export const OF_IDS = `${LETTERS}_+-.@:,=`;
const OF_PATHS = `${OF_IDS}/`;

/** Texts as long as another, which an id and a path might be, and which nobody uses. */
const repeated = (pattern: string, length: number) =>
  pattern.repeat(Math.ceil(length / pattern.length)).slice(0, length);

export const standingIn = (g: Given): Other =>
  g.called === "ID"
    ? { ...g, standsFor: repeated("=@:,", g.text.length), characters: OF_IDS }
    : { ...g, standsFor: `/${repeated("+,:=", g.text.length - 1)}`, characters: OF_PATHS };

/** With the words that were given it is the very program that is compiled with them: nothing else has come of them. */
export function isSame(general: Program, own: Program, others: readonly Other[]): boolean {
  let bytes = Buffer.from(encode(general)).toString("latin1");
  for (const o of others) bytes = bytes.replaceAll(o.standsFor, o.text);
  return bytes === Buffer.from(encode(own)).toString("latin1");
}

const withOthers = (program: Program, others: readonly Other[], index: (o: Other, i: number) => number): Program =>
  others.reduce((p, o, i) => withGivenWord(p, o.standsFor, index(o, i), o.called), program);

/** Nothing depends on what is kept: where it cannot be made, or the machine changes meanwhile, the command goes on as it would have. */
export async function tryToKeep(make: () => Promise<void>): Promise<void> {
  try {
    await make();
  } catch (e) {
    const isOfMachine = e instanceof CaissonError || codeOf(e) !== undefined;
    if (!isOfMachine) throw e;
  }
}

/** A program as it was compiled with stand-ins, when that was, and what it follows from. */
type Made = {
  readonly program: Program;
  readonly facts: HostFacts;
  readonly conditions: readonly Condition[];
  readonly bundle?: string;
  readonly cwd?: string;
  /** The word, from 0, that names a file of which the text was read. */
  readonly file?: number;
};

export function keep(g: Global, checks: string, others: readonly Other[], m: Made): void {
  const words = g.words.map((text, i): Word => {
    const other = others.find((o) => o.at === i);
    if (other) return { kind: "other", length: text.length, characters: other.characters };
    return i === m.file ? { kind: "file", text: textNow(text) } : { kind: "same", text };
  });
  const { arch, gid, bounding } = m.facts;
  const { conditions, bundle, cwd } = m;
  const from = { ...(bundle !== undefined && { bundle }), ...(cwd !== undefined && { cwd }) };
  const found = { arch, gid, bounding, words, conditions, log: g.log.path, ...from };
  rememberChecked(
    checks,
    withOthers(m.program, others, (_, i) => i + 1),
    (file) => withOthers(runtimeChecks(found, checks, file), others, (o) => o.at + 1),
  );
}

/** Keeps a program, and what checks whether it may be performed and becomes it, from a file. */
export const rememberChecked = (checks: string, program: Program, checking: (file: string) => Program): void =>
  remember(checks, link(executor(), encode(program)), (file) => asked(encode(checking(file), false)));
