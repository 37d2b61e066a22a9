import { hasHooks } from "../../compile/runtime/hooks.ts";
import { hostFacts } from "../../host/facts.ts";
import { encode } from "../../program/encode.ts";
import type { Program } from "../../program/types.ts";
import { into } from "../../program/values.ts";
import type { Condition } from "../../remember/conditions.ts";
import { withTimeNow } from "../../remember/given-time.ts";
import { withGivenText, withGivenWord } from "../../remember/given-word.ts";
import { withBefore } from "../../remember/holes.ts";
import { runtimeChecks, type Word } from "../../remember/runtime-checks.ts";
import { giveUp } from "../../remember/seen.ts";
import type { Bundle } from "../bundle.ts";
import type { Global } from "../context.ts";
import { type CreateOptions, prepareCreate } from "../create.ts";
import { inOneOrder } from "./any-order.ts";
import { OF_IDS, rememberChecked, tryToKeep } from "./keep.ts";
import { lookedAt } from "./looked-at.ts";
import { findNames, type Source, sourcesOf } from "./names.ts";
import { namesForOnce, sampleOf, takeSample, writeSample } from "./samples.ts";

/** What stands for a name in the words for a failure. */
const NAMED = "NAME";
/** A time at which nothing is created. */
const CREATED = "1970-01-01T00:00:01.000Z";

/**
 * Keeps the program of `create` or `run` for the bundles that an engine makes like this one. What may be another name in the next is not assumed: two
 * bundles, one after the other, differ in names for once alone, and so do the programs that are compiled for them.
 */
export const keepForEngine = (...given: Parameters<typeof make>): Promise<void> => tryToKeep(() => make(...given));

const isOf = (c: Condition, text: string) => c.kind === "text" && c.text === text;

async function make(
  g: Global,
  id: string,
  o: CreateOptions & { readonly text: string },
  checks: string,
): Promise<void> {
  const ordered = inOneOrder(o.text);
  const given = { ...o, text: ordered.text, created: CREATED };
  // Compiled before and after the look, it is the same: so all of it was then as the look says.
  const { program, bundle } = await prepareCreate(g, id, given);
  const conditions = lookedAt(g, bundle)?.map((c) => (isOf(c, o.text) ? { ...c, ...ordered } : c));
  const bytes = encode((await prepareCreate(g, id, given)).program);
  if (!conditions?.some((c) => isOf(c, given.text)) || given.text.includes(CREATED)) return;
  if (Buffer.compare(bytes, encode(program)) !== 0) return;
  const own = sampleOf(g.words, conditions, Buffer.from(bytes).toString("latin1"));
  const other = takeSample(checks);
  if (!other || other.names.includes(id)) return writeSample(checks, own);
  const names = namesForOnce(own, other, id);
  const others = names?.filter((name) => name !== id);
  const sources = others && sourcesOf(others, id, given.text, ordered.free);
  if (sources) keep(g, checks, withTimeNow(program, CREATED), bundle, conditions, sources);
  else giveUp(checks);
}

function keep(
  g: Global,
  checks: string,
  program: Program,
  { id, bundle, spec }: Bundle,
  conditions: readonly Condition[],
  sources: readonly Source[],
): void {
  const at = g.words.length;
  const word = (text: string, i: number): Word =>
    i === at - 1 ? { kind: "other", length: id.length, characters: OF_IDS } : { kind: "same", text };
  const { arch, gid, bounding } = hostFacts();
  const found = {
    ...{ arch, gid, bounding, conditions, bundle },
    words: g.words.map(word),
    log: g.log.path,
    inherits: hasHooks(spec),
    more: sources.map(({ block }) => into(block)),
  };
  const names = [id, ...sources.map(({ name }) => name)];
  const filled = names.reduce((p, name, i) => withGivenWord(p, name, i + 1, NAMED), program);
  const checking = (file: string): Program => {
    const same = sources.reduce(
      (p, { name, block }) => withGivenText(p, name, into(block), NAMED),
      runtimeChecks(found, checks, file),
    );
    // The path of the configuration has the id in it by then.
    const asking = withBefore(same, (s) => findNames(s, `${bundle}/config.json`, at, sources));
    return withGivenWord(asking, id, at, NAMED);
  };
  rememberChecked(checks, filled, checking);
}
