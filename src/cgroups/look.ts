import { accessSync, constants, readFileSync } from "node:fs";
import { hostFacts } from "../host/facts.ts";
import { findLayout, fromTop, type Layout, type Look } from "./layout.ts";
import { isOurs } from "./names.ts";
import { ownScope } from "./scope.ts";

export const look: Look = {
  get scope() {
    return ownScope();
  },
  words(path) {
    try {
      return readFileSync(path, "utf8").trim().split(/\s+/).filter(Boolean);
    } catch {
      // A hierarchy that cannot be looked at has nothing to offer.
      return [];
    }
  },
  delegated(directory) {
    try {
      for (const file of ["", "/cgroup.procs", "/cgroup.subtree_control"])
        accessSync(`${directory}${file}`, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  },
};

let known: { readonly uid: number; readonly layout: Layout } | undefined;
let whole: Layout | undefined;

/** The layout of this machine, as this user may use it; looked at once, and again by who has given up his rights. */
export function layout(): Layout {
  const facts = hostFacts();
  if (known?.uid !== facts.uid) {
    known = { uid: facts.uid, layout: findLayout(facts, look) };
    whole = undefined;
  }
  return known.layout;
}

/** For a group of somebody else: what begins with our prefix is below our base, any other path below the top. */
export function layoutFor(path: string): Layout {
  const own = layout();
  if (isOurs(path)) return own;
  whole ??= fromTop(own);
  return whole;
}
