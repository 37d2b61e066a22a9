import { readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { assembledFilter, giveFilter } from "../../compile/seccomp.ts";
import type { Seccomp, Spec } from "../../compile/spec.ts";
import type { HostFacts } from "../../host/facts.ts";
import { ensureDirectory } from "../../host/places.ts";
import type { Program } from "../../program/types.ts";
import { DIRECTORY, isKeeper } from "../../remember/places.ts";
import { keepAt } from "../../remember/store.ts";
import { codeOf } from "../../values/code-of.ts";

/** Filters that are kept, some 15 KB each; an engine has one profile, which capabilities make into a few. */
const MOST = 16;
const PREFIX = "filter-";
/** struct sock_filter */
const INSTRUCTION = 8;

/** All that a filter is assembled from, and by which build. undefined: JSON has no such numbers. */
function saidOf(seccomp: Seccomp, { arch }: HostFacts): Buffer | undefined {
  const { ino, size, mtimeMs } = statSync(process.execPath);
  try {
    return Buffer.from(`${JSON.stringify({ arch, ino, size, mtimeMs, seccomp })}\n`);
  } catch (e) {
    if (e instanceof TypeError) return undefined;
    throw e;
  }
}

function find(path: string, said: Buffer): Uint8Array | undefined {
  try {
    const kept = readFileSync(path);
    const bytes = kept.subarray(said.length);
    const isOfThese = kept.subarray(0, said.length).equals(said);
    return isOfThese && bytes.length > 0 && bytes.length % INSTRUCTION === 0 ? bytes : undefined;
  } catch (e) {
    if (codeOf(e) === undefined) throw e;
    return undefined;
  }
}

/** As for all that is kept: where it cannot be written, it is not. */
function keep(path: string, contents: Uint8Array): void {
  try {
    ensureDirectory(DIRECTORY);
    const all = readdirSync(DIRECTORY).filter((name) => name.startsWith(PREFIX));
    if (all.length >= MOST) for (const name of all) rmSync(join(DIRECTORY, name), { force: true });
    keepAt(path, contents);
  } catch (e) {
    if (codeOf(e) === undefined) throw e;
  }
}

/**
 * Compiles with the filter that was assembled from the same rules before: an engine gives the same few hundred lines each time, and to assemble them takes
 * a seventh of a `create`. Root's alone.
 */
export function withKeptFilter(spec: Spec, facts: HostFacts, compile: () => Program): Program {
  const { seccomp } = spec.linux ?? {};
  if (!seccomp || !isKeeper(facts) || assembledFilter(seccomp)) return compile();
  const said = saidOf(seccomp, facts);
  if (said === undefined) return compile();
  const path = join(DIRECTORY, `${PREFIX}${said.length}`);
  const found = find(path, said);
  if (found) giveFilter(seccomp, found);
  const program = compile();
  const made = found ? undefined : assembledFilter(seccomp);
  if (made) keep(path, Buffer.concat([said, made]));
  return program;
}
