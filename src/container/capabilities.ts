import type { CapabilitySets } from "../compile/spec.ts";
import { capabilityNames } from "../kernel/capabilities.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { ContainerOptions } from "./options.ts";

/** What root has in a container without asking: Docker's list less what few programs need (NET_RAW, MKNOD, AUDIT_WRITE). */
export const defaultCapabilities: readonly string[] = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_NET_BIND_SERVICE",
  "CAP_SETFCAP",
  "CAP_SETGID",
  "CAP_SETPCAP",
  "CAP_SETUID",
  "CAP_SYS_CHROOT",
];

function parse(field: string, names: readonly string[], all: readonly string[]): readonly string[] {
  return names.flatMap((given) => {
    const upper = given.toUpperCase();
    if (upper === "ALL") return all;
    const name = upper.startsWith("CAP_") ? upper : `CAP_${upper}`;
    if (!capabilityNames.includes(name))
      throw new InvalidOptionError(field, given, 'a capability such as "NET_RAW", or "ALL"');
    return [name];
  });
}

/** `held` are those that can be given at all: "ALL" means those. Drops come before adds, so that `capDrop: ["ALL"], capAdd: ["KILL"]` is KILL alone, as in Docker. */
export function capabilitiesFor(o: ContainerOptions, uid: number, held: readonly string[]): CapabilitySets {
  const add = parse("capAdd", o.capAdd ?? [], held);
  const drop = parse("capDrop", o.capDrop ?? [], capabilityNames);
  const kept = new Set([...defaultCapabilities.filter((c) => !drop.includes(c)), ...add]);
  const set = capabilityNames.filter((c) => kept.has(c));
  if (uid === 0) return { bounding: set, effective: set, permitted: set, inheritable: [], ambient: [] };
  // A user who is not root has what was asked for by name, and no more.
  const own = set.filter((c) => add.includes(c));
  return { bounding: set, effective: own, permitted: own, inheritable: own, ambient: own };
}
