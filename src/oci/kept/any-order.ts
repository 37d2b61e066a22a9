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

/**
 * Engines that keep mounts in a map (podman) write them in another order each time. The same configuration in the one order in which it is compiled, and what of it may
 * come in others; undefined: it is written in a way that this does not know.
 */
export function inOneOrder(text: string): { readonly text: string; readonly free: AnyOrder } | undefined {
  const { mounts } = JSON.parse(text) as { mounts?: Mount[] | null };
  const row = independent(mounts ?? []);
  if (row.length < 2) return undefined;
  const written = row.map((m) => `${JSON.stringify(m)},`).join("");
  const at = text.indexOf(written);
  if (at < 0 || text.indexOf(written, at + 1) >= 0) return undefined;
  const sorted = [...row].sort((a, b) => (a.destination < b.destination ? -1 : 1));
  const pieces = sorted.map((m) => `${JSON.stringify(m)},`);
  return {
    text: text.slice(0, at) + pieces.join("") + text.slice(at + written.length),
    free: { at: Buffer.byteLength(text.slice(0, at)), pieces },
  };
}
