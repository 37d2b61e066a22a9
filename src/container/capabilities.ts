import type { CapabilitySets } from "../compile/spec.ts";
import { capabilityNames } from "../kernel/capabilities.ts";
import { InvalidOptionError, UnsupportedError } from "../values/errors.ts";
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

/** `held` are those that can be given at all: "ALL" means those, and of the default ones, which nobody asked for, the others are left out. Drops come before adds, so that `capDrop: ["ALL"], capAdd: ["KILL"]` is KILL alone, as in Docker. */
export function capabilitiesFor(o: ContainerOptions, uid: number, held: readonly string[]): CapabilitySets {
  const add = parse("capAdd", o.capAdd ?? [], held);
  const drop = parse("capDrop", o.capDrop ?? [], capabilityNames);
  const missing = add.find((c) => !held.includes(c));
  if (missing)
    throw new UnsupportedError(`capAdd: ${missing}`, "this process lacks it in its own bounding set (capabilities(7))");
  const own = defaultCapabilities.filter((c) => held.includes(c) && !drop.includes(c));
  const kept = new Set([...own, ...add]);
  const set = capabilityNames.filter((c) => kept.has(c));
  if (uid === 0) return { bounding: set, effective: set, permitted: set, inheritable: [], ambient: [] };
  // A user who is not root has what was asked for by name, and no more.
  const asked = set.filter((c) => add.includes(c));
  return { bounding: set, effective: asked, permitted: asked, inheritable: asked, ambient: asked };
}
