import { type Running, runningContainer } from "../container/state.ts";
import { needRunning, whileRunning } from "../container/while-running.ts";
import { copy as copyPlaces } from "../copy/copy.ts";
import { inContainer, onHost, type Place } from "../copy/place.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { Values } from "./option-table.ts";
import { complain } from "./output.ts";

type Word = { readonly container: string | undefined; readonly path: string };

/** NAME:PATH, or a path of this machine: one that begins with "/" or "." has no name before a colon. */
function parse(word: string): Word {
  const colon = /^[/.]/.test(word) ? -1 : word.indexOf(":");
  if (colon < 1) return { container: undefined, path: word };
  return { container: word.slice(0, colon), path: word.slice(colon + 1) };
}

const runningOf = ({ container }: Word): Running | undefined =>
  container === undefined ? undefined : runningContainer(container);

function placeOf(field: string, { path }: Word, c: Running | undefined): Place {
  if (path === "") throw new InvalidOptionError(field, "", "a path, or NAME:PATH");
  if (c === undefined) return onHost(field, path);
  return inContainer(field, { pid: c.started.pid, runs: () => needRunning(c) }, path);
}

export async function copy(v: Values, words: readonly string[]): Promise<number> {
  const [source, destination, more] = words;
  if (source === undefined || destination === undefined || more !== undefined)
    throw new InvalidOptionError("caisson cp", words.join(" "), "two words: SOURCE DESTINATION");
  const [from, to] = [parse(source), parse(destination)];
  if (from.container === undefined && to.container === undefined)
    throw new InvalidOptionError("caisson cp", words.join(" "), "NAME:PATH in one of the two: cp(1) copies without");
  const options = { archive: v["archive"] === true, followLink: v["follow-link"] === true };
  const [giving, taking] = [runningOf(from), runningOf(to)];
  const copying = [giving, taking].reduce(
    (copy, c) => (c === undefined ? copy : () => whileRunning(c, copy)),
    () => copyPlaces(placeOf("SOURCE", from, giving), placeOf("DESTINATION", to, taking), options),
  );
  const { leftOut } = await copying();
  for (const path of leftOut) complain(`not copied, since it is no file, directory or link: ${path}`);
  return leftOut.length ? 1 : 0;
}
