import { resolve } from "node:path";
import type { Mount } from "../../compile/spec.ts";
import { covers } from "../../host/in-root.ts";
import type { AnyOrder } from "../../remember/any-order.ts";

const isBind = (m: Mount): boolean => m.type === "bind" && m.destination === resolve("/", m.destination);

/** Binds in a row of which none is below another: in whatever order they are made, the same is there afterwards. */
function independent(mounts: readonly Mount[]): readonly Mount[] {
  const rows: Mount[][] = [[]];
  for (const m of mounts)
    if (isBind(m)) rows.at(-1)?.push(m);
    else rows.push([]);
  const longest = rows.reduce((a, b) => (b.length > a.length ? b : a));
  const apart = longest.every(
    (m, i) => !longest.some((other, j) => i !== j && covers(other.destination, m.destination)),
  );
  return apart ? longest : [];
}

/** All but the last, which nothing follows, if each is of a name of its own. */
function variables(env: readonly string[]): readonly string[] {
  const names = env.map((e) => e.slice(0, e.indexOf("=")));
  return new Set(names).size === env.length ? env.slice(0, -1) : [];
}

/** Whose environment is a map of Go's: it says of its containers that they are its own. */
export const isOfPodman = (annotations: Readonly<Record<string, string>> | null | undefined) =>
  annotations?.["io.container.manager"] === "libpod";

type Ordered = { readonly text: string; readonly free: readonly AnyOrder[] };

/** As it is where what is in a row is written in a way that this does not know, or is but one. */
function sorted<T>({ text, free }: Ordered, row: readonly T[], by: (item: T) => string): Ordered {
  const write = (items: readonly T[]) => items.map((item) => `${JSON.stringify(item)},`);
  const written = write(row).join("");
  const at = text.indexOf(written);
  if (row.length < 2 || at < 0 || text.indexOf(written, at + 1) >= 0) return { text, free };
  const pieces = write([...row].sort((a, b) => (by(a) < by(b) ? -1 : 1)));
  const place = Buffer.byteLength(text.slice(0, at));
  const all = [...free, { at: place, pieces }].sort((a, b) => a.at - b.at);
  return { text: text.slice(0, at) + pieces.join("") + text.slice(at + written.length), free: all };
}

type Written = {
  readonly mounts?: Mount[] | null;
  readonly process?: { readonly env?: string[] | null };
  readonly annotations?: Record<string, string> | null;
};

/**
 * Podman has mounts and the environment in maps of Go's, and writes them in another order each time. The same configuration in the one order in
 * which it is compiled, and what of it may come in others.
 */
export function inOneOrder(text: string): Ordered {
  const { mounts, process, annotations } = JSON.parse(text) as Written;
  const ordered = sorted({ text, free: [] }, independent(mounts ?? []), (m) => m.destination);
  const env = isOfPodman(annotations) ? variables(process?.env ?? []) : [];
  return sorted(ordered, env, (e) => e);
}
