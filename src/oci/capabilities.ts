import type { Process, Spec } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";
import { capabilityNames } from "../kernel/capabilities.ts";

/** Takes a warning. */
export type Say = (message: string) => void;

function limitedTo(process: Process, known: readonly string[], why: string, say: Say): Process {
  const sets = Object.entries(process.capabilities ?? {});
  const kept = new Set(known);
  const others = new Set(sets.flatMap(([, names]) => names.filter((n) => !kept.has(n))));
  if (others.size === 0) return process;
  say(`${why}: ${[...others].join(", ")}`);
  const limited = sets.map(([set, names]) => [set, names.filter((n) => kept.has(n))] as const);
  return { ...process, capabilities: Object.fromEntries(limited) };
}

/** What cannot be granted is told of, and left out: the runtime should not fail. config.md "Linux Process", capabilities. */
export const withoutUnknown = (process: Process, say: Say): Process =>
  limitedTo(process, capabilityNames, "unknown capabilities are ignored", say);

/**
 * capabilities(7): what is not permitted and inheritable, too, cannot be ambient. It is left out when the sets are made. buildah has listed all as
 * ambient and none as inheritable (since CVE-2022-24769): nobody expects those, and there is nothing to be said in each step of a build.
 */
export function sayOfAmbient({ capabilities: sets }: Process, say: Say): void {
  if (!sets?.inheritable?.length) return;
  for (const name of sets.ambient ?? [])
    if (!sets?.permitted?.includes(name) || !sets.inheritable.includes(name))
      say(`can't raise ambient capability ${name}: it is not permitted and inheritable`);
}

/** The same for what this process does not have itself. In another user namespace all are there to be had. */
export const grantable = (process: Process, { linux }: Spec, facts: HostFacts, say: Say): Process =>
  linux?.namespaces?.some((n) => n.type === "user")
    ? process
    : limitedTo(process, facts.bounding, "capabilities that this process lacks are not granted", say);
