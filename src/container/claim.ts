import { existsSync, rmSync } from "node:fs";
import { mapOf, proposeRange, rangeFile, sweepRanges, takeRange } from "../namespaces/ranges.ts";
import { NameError } from "../values/errors.ts";
import { isRootless } from "./describe.ts";
import { rangeDirectory } from "./id-maps.ts";
import { networkAndFiles, type Prepared } from "./prepare.ts";
import { findExact, sweep } from "./state.ts";

const RANGE_TRIES = 1000;

/** A range of ids of its own: noted, so that no other container is given it. */
function claimIds(p: Prepared): Prepared {
  const own = p.spec.linux?.uidMappings !== undefined && !p.options.idMap;
  if (!own || p.facts.uid !== 0 || isRootless(p.options, p.facts)) return p;
  const directory = rangeDirectory();
  sweepRanges(directory, (h) => findExact(h.container) !== undefined || existsSync(`/proc/${h.pid}`));
  for (let i = 0; i < RANGE_TRIES; i++) {
    const range = proposeRange(directory);
    if (!takeRange(directory, range, { container: p.job.name, pid: process.pid })) continue;
    const map = mapOf(range);
    return {
      ...p,
      spec: { ...p.spec, linux: { ...p.spec.linux, uidMappings: map, gidMappings: map } },
      job: { ...p.job, claims: [rangeFile(directory, range)] },
    };
  }
  throw new NameError(p.job.name, "no range of ids could be taken");
}

/** Takes what only one container can have, just before it is started: ids, addresses, ports. */
export async function claim(prepared: Prepared): Promise<Prepared> {
  const { cgroupParent } = prepared.options;
  if (cgroupParent !== undefined) await (await import("./cgroup-parent.ts")).noteContainerIn(cgroupParent);
  // What killed supervisors left may have what is to be taken.
  if (prepared.network.request) await sweep();
  const p = claimIds(prepared);
  if (!p.network.request) return p;
  const { claimNetwork, dnsOf } = await import("./network.ts");
  const { name } = p.job;
  const network = claimNetwork(p.network, { name, hostname: p.spec.hostname ?? name }, dnsOf(p.options));
  return { ...p, network, job: { ...p.job, ...networkAndFiles(network, p.options, p.spec) } };
}

/** Gives it back where the start never came to its program. */
export async function unclaim(p: Prepared): Promise<void> {
  if (p.network.request) (await import("./network.ts")).unclaimNetwork(p.network);
  for (const path of p.job.claims ?? []) rmSync(path, { force: true });
}
