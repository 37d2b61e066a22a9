import { InvalidOptionError } from "../../values/errors.ts";
import { type Controller, present, refuse, write } from "../controller.ts";
import { listed, parseList } from "../parse.ts";

const partitions = ["member", "root", "isolated"] as const;
export type Partition = (typeof partitions)[number];

/** Source: cgroup-v2 "Cpuset Interface Files"; cpuset(7) for v1. */
export type CpusetInput = {
  /** CPUs that its processes may run on: "0-3,8" or [0, 1]. */
  readonly cpus?: string | readonly number[];
  /** Memory nodes that they may allocate from. */
  readonly mems?: string | readonly number[];
  /** "root" takes the CPUs from the siblings, "isolated" keeps the scheduler's load balancing off them too. v2 only. */
  readonly partition?: Partition;
};
export type CpusetLimits = { readonly cpus?: string; readonly mems?: string; readonly partition?: Partition };
/** What the ancestors and CPU hotplug leave of it. */
export type CpusetUsage = { readonly cpus?: readonly number[]; readonly mems?: readonly number[] };

/** An empty text is written as a newline: write(2) of nothing does nothing. */
const undo = (old: string) => [old.trim() === "" ? "\n" : old.trim()];

export const cpuset: Controller<CpusetInput, CpusetLimits, CpusetUsage> = {
  name: "cpuset",
  v1: "cpuset",
  v2: "cpuset",
  config: "CONFIG_CPUSETS",
  fields: ["cpus", "mems", "partition"],
  parse(input, field) {
    if (input.partition !== undefined && !partitions.includes(input.partition))
      throw new InvalidOptionError(`${field}.partition`, input.partition, '"member", "root" or "isolated"');
    return present({
      cpus: parseList(`${field}.cpus`, input.cpus),
      mems: parseList(`${field}.mems`, input.mems),
      partition: input.partition,
    });
  },
  writes(l, now, making) {
    const out = [];
    if (now.version === "v1") {
      if (l.partition !== undefined)
        refuse("cpuset.partition", "v1", "cpuset.cpu_exclusive is not the same; use control groups v2");
      // On v1 a group with no CPU or no node takes no process: it begins with its parent's.
      const cpus = l.cpus ?? (making ? now.read("cpuset.cpus")?.trim() : undefined);
      const mems = l.mems ?? (making ? now.read("cpuset.mems")?.trim() : undefined);
      if (cpus !== undefined) out.push(write("cpuset.cpus", cpus, { undo }));
      if (mems !== undefined) out.push(write("cpuset.mems", mems, { undo }));
      return out;
    }
    if (l.cpus !== undefined) out.push(write("cpuset.cpus", l.cpus, { undo }));
    if (l.mems !== undefined) out.push(write("cpuset.mems", l.mems, { undo }));
    if (l.partition !== undefined)
      out.push(write("cpuset.cpus.partition", l.partition, { undo: (old) => [old.trim().split(" ")[0] ?? "member"] }));
    return out;
  },
  limits: (f) =>
    present({
      cpus: f.read("cpuset.cpus")?.trim(),
      mems: f.read("cpuset.mems")?.trim(),
      partition: f.read("cpuset.cpus.partition")?.trim().split(" ")[0] as Partition | undefined,
    }),
  usage(f) {
    const effective = (kind: "cpus" | "mems") =>
      f.read(`cpuset.${kind}.effective`) ?? f.read(`cpuset.effective_${kind}`);
    const list = (text: string | undefined) => (text === undefined ? undefined : listed(text));
    return present({ cpus: list(effective("cpus")), mems: list(effective("mems")) });
  },
};
