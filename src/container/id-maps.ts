import { existsSync } from "node:fs";
import { join } from "node:path";
import { readOptional } from "../cgroups/files.ts";
import type { IdMap } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";
import { places } from "../host/places.ts";
import { mapOf, mapsWithSubIds, proposeRange, type IdRange as SubRange, subIdsOf } from "../namespaces/ranges.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { ContainerOptions, IdRange } from "./options.ts";

const MAX_ID = 2 ** 32 - 1;

/** Ranges must not overlap, on either side, and the container must have a root. */
function check(field: string, ranges: readonly IdRange[]): IdMap[] {
  for (const side of ["container", "host"] as const) {
    const sorted = [...ranges].sort((a, b) => a[side] - b[side]);
    sorted.forEach((r, i) => {
      const next = sorted[i + 1];
      if (
        ![r.container, r.host, r.size].every(Number.isSafeInteger) ||
        r.size < 1 ||
        r[side] < 0 ||
        r[side] + r.size > MAX_ID
      )
        throw new InvalidOptionError(field, JSON.stringify(r), `a range of whole numbers from 0 to ${MAX_ID}`);
      if (next && r[side] + r.size > next[side])
        throw new InvalidOptionError(field, JSON.stringify(next), `a range that does not overlap ${JSON.stringify(r)}`);
    });
  }
  if (!ranges.some((r) => r.container === 0))
    throw new InvalidOptionError(field, JSON.stringify(ranges), "a map with id 0 of the container in it");
  return ranges.map((r) => ({ containerID: r.container, hostID: r.host, size: r.size }));
}

const HELPERS = ["/usr/bin/newuidmap", "/usr/bin/newgidmap"];

/** The ranges that /etc/subuid and /etc/subgid give the caller, where the programs that map them are installed. */
function callersRanges(kind: "uid" | "gid"): readonly SubRange[] {
  if (!HELPERS.every((path) => existsSync(path))) return [];
  // os.userInfo() is what the environment says, under one of the two engines.
  const uid = String(process.geteuid?.() ?? 0);
  const users = (readOptional("/etc/passwd") ?? "").split("\n").map((line) => line.split(":"));
  return subIdsOf(kind, [uid, ...users.flatMap(([name, , id]) => (id === uid && name ? [name] : []))]);
}

/** Where ranges of ids are noted that containers have to themselves. */
export const rangeDirectory = () => join(places().scratch, "ids");

/**
 * The maps of a new user namespace. Without privileges: the caller's own id as root, the one map that needs none, and
 * behind it what /etc/subuid allows. With them: the maps given, or a range that no other container has.
 */
export function describeIdMaps(
  o: ContainerOptions,
  facts: HostFacts,
  rootless: boolean,
): { uid: IdMap[]; gid: IdMap[] } {
  if (o.idMap) return { uid: check("idMap.uid", o.idMap.uid), gid: check("idMap.gid", o.idMap.gid) };
  if (!rootless) {
    const map = mapOf(proposeRange(rangeDirectory()));
    return { uid: map, gid: map };
  }
  const [uids, gids] = facts.uid === 0 ? [[], []] : [callersRanges("uid"), callersRanges("gid")];
  const both = uids.length > 0 && gids.length > 0;
  return {
    uid: mapsWithSubIds(facts.uid, both ? uids : []),
    gid: mapsWithSubIds(facts.gid, both ? gids : []),
  };
}
