import type { ControlGroup } from "../cgroups/group.ts";
import { UnsupportedError } from "../values/errors.ts";
import { size } from "./output.ts";

/** No limit is "max", as the kernel has it: JSON has no infinity. */
export const json = (value: unknown, indent?: number): string =>
  JSON.stringify(value, (_, v) => (v === Number.POSITIVE_INFINITY ? "max" : v), indent);

export function stateOf(g: ControlGroup): string {
  try {
    return g.state();
  } catch (e) {
    if (e instanceof UnsupportedError) return "-";
    throw e;
  }
}

export const showGroup = async (g: ControlGroup) => ({
  name: g.name,
  path: g.path,
  state: stateOf(g),
  directories: g.directories,
  limits: await g.limits(),
  usage: await g.usage(),
  groups: g.children().map((c) => c.name),
});

export async function summary(g: ControlGroup): Promise<string[]> {
  const { cpu, memory, processes } = await g.usage();
  return [
    g.name,
    stateOf(g),
    String(processes),
    cpu?.time === undefined ? "-" : `${cpu.time.toFixed(2)}s`,
    memory?.current === undefined ? "-" : size(memory.current),
  ];
}
