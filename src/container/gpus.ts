import { findGpus, type Gpu, nodesOf } from "../host/gpus.ts";
import { InvalidOptionError, UnsupportedError } from "../values/errors.ts";
import { byPath } from "./devices.ts";
import type { ContainerOptions } from "./options.ts";

type Wanted = NonNullable<ContainerOptions["gpus"]>;

const names = (g: Gpu, i: number) => [String(i), g.address, g.uuid ?? ""];

function choose(all: readonly Gpu[], wanted: Wanted): readonly Gpu[] {
  if (wanted === "all") return all;
  if (typeof wanted === "number") {
    if (!Number.isInteger(wanted) || wanted < 1 || wanted > all.length)
      throw new InvalidOptionError("gpus", wanted, `"all", or a number up to ${all.length}`);
    return all.slice(0, wanted);
  }
  return wanted.map((name) => {
    const found = all.find((g, i) => names(g, i).includes(String(name)));
    const known = all.map((g, i) => names(g, i).filter(Boolean).join(" or ")).join("; ");
    if (!found || name === "") throw new InvalidOptionError("gpus", name, `one of this machine's: ${known}`);
    return found;
  });
}

/** The options with the device nodes of these graphics processors. What is said of a node by `devices` holds. */
export function withGpus(o: ContainerOptions, wanted: Wanted): ContainerOptions {
  const all = findGpus();
  if (all.length === 0)
    throw new UnsupportedError("gpus", "this machine has none that a driver of its kernel has found");
  const nodes = nodesOf(choose(all, wanted));
  if (nodes.length === 0) throw new UnsupportedError("gpus", "their driver has made no device nodes in /dev");
  return { ...o, devices: { ...byPath(nodes), ...byPath(o.devices ?? []) } };
}
