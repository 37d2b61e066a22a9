import type { IdMap, Mount, Spec } from "../compile/spec.ts";
import { ConfigError } from "./config.ts";

const form = /^(r?idmap)=(.+)$/;
const EXPECTED = '"idmap=uids=0-1000-10#10-2000-1;gids=0-1000-10", with "@" before what is an id of the container';

/**
 * "0-1000-10", and "+0-1000-10": ids from 0 on are shown as those from 1000 on; "@0-5-10": as what 5 and those after it are
 * of the container's. Of these it may have fewer: the others are nobody's there.
 */
function range(text: string, own: readonly IdMap[], option: string): IdMap {
  const [, at, ...numbers] = /^([@+]?)(\d+)-(\d+)-(\d+)$/.exec(text) ?? [];
  const [containerID = 0, second = 0, size = 0] = numbers.map(Number);
  if (numbers.length === 0 || size === 0)
    throw new ConfigError(`mounts.options: ${JSON.stringify(option)} is not of the form ${EXPECTED}`);
  if (at !== "@") return { containerID, hostID: second, size };
  const map = own.find((m) => second >= m.containerID && second < m.containerID + m.size);
  if (!map) throw new ConfigError(`mounts.options: ${JSON.stringify(option)}: the container has no id ${second}`);
  return { containerID, hostID: map.hostID + second - map.containerID, size };
}

/** Maps of one mount among its options, as crun(1) has them and podman passes them on: made into those of the specification. */
export function withMaps(m: Mount, spec: Spec): Mount {
  const option = m.options?.find((word) => form.test(word));
  const [, word, text] = form.exec(option ?? "") ?? [];
  if (option === undefined || word === undefined || text === undefined) return m;
  const own = { uids: spec.linux?.uidMappings ?? [], gids: spec.linux?.gidMappings ?? [] };
  const maps: { uids?: IdMap[]; gids?: IdMap[] } = {};
  for (const part of text.split(";").filter(Boolean)) {
    const [, kind, ranges] = /^(uids|gids)=(.+)$/.exec(part) ?? [];
    if ((kind !== "uids" && kind !== "gids") || ranges === undefined)
      throw new ConfigError(`mounts.options: ${JSON.stringify(option)} is not of the form ${EXPECTED}`);
    maps[kind] = ranges.split("#").map((r) => range(r, own[kind], option));
  }
  const { uids, gids } = maps;
  if (!uids || !gids)
    throw new ConfigError(`mounts.options: ${JSON.stringify(option)} is to have both uids and gids: ${EXPECTED}`);
  const options = (m.options ?? []).map((w) => (w === option ? word : w));
  return { ...m, options, uidMappings: uids, gidMappings: gids };
}
