import type { Process } from "../compile/spec.ts";
import { capabilityNames } from "../kernel/capabilities.ts";

/** What cannot be granted is told of, and left out. config.md "Linux Process", capabilities. */
export function withoutUnknown<P extends Pick<Process, "capabilities">>(process: P, say: (message: string) => void): P {
  const known = new Set(capabilityNames);
  const sets = Object.entries(process.capabilities ?? {});
  const unknown = new Set(sets.flatMap(([, names]) => names.filter((n) => !known.has(n))));
  if (unknown.size === 0) return process;
  say(`unknown capabilities are ignored: ${[...unknown].join(", ")}`);
  return {
    ...process,
    capabilities: Object.fromEntries(sets.map(([k, names]) => [k, names.filter((n) => known.has(n))])),
  };
}
