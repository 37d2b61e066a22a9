import { realpathSync, statSync } from "node:fs";
import { mountOptions } from "../compile/mount-options.ts";
import type { IdMap, Spec } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";

const X_OTHERS = 0o001;

/** Also what is shown of an id that the caller's own user namespace does not map (kernel.overflowuid, overflowgid). */
const NOBODY = 65_534;

const holds = (maps: readonly IdMap[] | undefined, id: number) =>
  id !== NOBODY && (maps?.some((m) => id >= m.hostID && id < m.hostID + m.size) ?? false);

/** capable_wrt_inode_uidgid() of the kernel: root of a user namespace overrides modes where both ids are mapped. */
function isClosed(directory: string, linux: Spec["linux"]): boolean {
  const { mode, uid, gid } = statSync(directory);
  return (mode & X_OTHERS) === 0 && !(holds(linux?.uidMappings, uid) && holds(linux?.gidMappings, gid));
}

function above(path: string): string[] {
  const parts = path.split("/").slice(1, -1);
  return ["/", ...parts.map((_, i) => `/${parts.slice(0, i + 1).join("/")}`)];
}

/**
 * Sources of bind mounts that the root of the container's user namespace may not search the way to. Only a look: it
 * decides by whom they are opened, and what cannot be opened is told of then.
 */
export function closedSources(spec: Spec, facts: HostFacts): string[] {
  const { linux } = spec;
  if (facts.uid !== 0 || !linux?.namespaces?.some((n) => n.type === "user")) return [];
  const sources = (spec.mounts ?? []).filter((m) => mountOptions(m).bind).map((m) => m.source ?? "");
  return [...new Set(sources)].filter((source) => {
    try {
      return above(realpathSync(source)).some((d) => isClosed(d, linux));
    } catch {
      // It is not there: who opens it says so.
      return false;
    }
  });
}
