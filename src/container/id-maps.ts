import type { IdMap } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";
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

/** Rootless: the caller's own id is the container's root, the one map that needs no privilege (user_namespaces(7)). */
export function describeIdMaps(
  o: ContainerOptions,
  facts: HostFacts,
  rootless: boolean,
): { uid: IdMap[]; gid: IdMap[] } | undefined {
  if (o.idMap) return { uid: check("idMap.uid", o.idMap.uid), gid: check("idMap.gid", o.idMap.gid) };
  if (!rootless) return undefined;
  return {
    uid: [{ containerID: 0, hostID: facts.uid, size: 1 }],
    gid: [{ containerID: 0, hostID: facts.gid, size: 1 }],
  };
}
