import type { CgroupPlan } from "../compile/job.ts";
import type { Resources } from "../compile/spec.ts";
import { UnsupportedError } from "../values/errors.ts";
import type { Layout } from "./layout.ts";

type Write = CgroupPlan["groups"][number]["writes"][number];
type Read = CgroupPlan["groups"][number]["reads"][number];
type Wanted = {
  readonly controller: string;
  readonly v1: Write[];
  readonly v2: Write[];
  readonly v1Reads: Read[];
  readonly v2Reads: Read[];
};

const PERIOD = 100_000;
const text = (file: string, value: number | string, ignore?: readonly string[]): Write => ({
  file,
  text: String(value),
  ...(ignore && { ignore }),
});

/** Memory: no swap beyond the limit unless it is given; a kernel without swap accounting has no file for it. */
function memory(m: NonNullable<Resources["memory"]>): Wanted {
  const [v1, v2]: [Write[], Write[]] = [[], []];
  const { limit, reservation } = m;
  const total = m.swap ?? limit;
  if (limit !== undefined) {
    v1.push(text("memory.limit_in_bytes", limit));
    v2.push(text("memory.max", limit < 0 ? "max" : limit));
  }
  if (limit !== undefined && total !== undefined) {
    v1.push(text("memory.memsw.limit_in_bytes", total, ["ENOENT", "EACCES"]));
    v2.push(text("memory.swap.max", total < 0 ? "max" : Math.max(0, total - limit), ["ENOENT"]));
  }
  if (reservation !== undefined) {
    v1.push(text("memory.soft_limit_in_bytes", reservation));
    v2.push(text("memory.low", reservation));
  }
  return {
    controller: "memory",
    v1,
    v2,
    v1Reads: [
      { key: "memory.peak", file: "memory.max_usage_in_bytes" },
      { key: "memory.events", file: "memory.oom_control" },
    ],
    v2Reads: [
      { key: "memory.peak", file: "memory.peak" },
      { key: "memory.events", file: "memory.events" },
    ],
  };
}

/** cpu.shares 2…262144 to cpu.weight 1…10000, as the OCI runtimes convert them. */
const weightOfShares = (shares: number) => Math.max(1, Math.min(10000, 1 + Math.floor(((shares - 2) * 9999) / 262142)));

function cpu(c: NonNullable<Resources["cpu"]>): Wanted {
  const [v1, v2]: [Write[], Write[]] = [[], []];
  const period = c.period ?? PERIOD;
  if (c.shares !== undefined) {
    v1.push(text("cpu.shares", c.shares));
    v2.push(text("cpu.weight", weightOfShares(c.shares)));
  }
  if (c.quota !== undefined || c.period !== undefined) {
    v1.push(text("cpu.cfs_period_us", period), text("cpu.cfs_quota_us", c.quota ?? -1));
    v2.push(text("cpu.max", `${c.quota === undefined || c.quota < 0 ? "max" : c.quota} ${period}`));
  }
  return { controller: "cpu", v1, v2, v1Reads: [], v2Reads: [{ key: "cpu.stat", file: "cpu.stat" }] };
}

const pids = (limit: number): Wanted => {
  const write = text("pids.max", limit < 0 ? "max" : limit);
  return { controller: "pids", v1: [write], v2: [write], v1Reads: [], v2Reads: [] };
};

/**
 * The groups for these limits in the layout found. A controller with no limit gets no group: what is not used costs
 * nothing. A controller that no hierarchy has is refused by name.
 */
export function planGroups(layout: Layout, name: string, resources: Resources): CgroupPlan {
  const wanted: Wanted[] = [];
  if (resources.memory) wanted.push(memory(resources.memory));
  if (resources.cpu) wanted.push(cpu(resources.cpu));
  if (resources.pids) wanted.push(pids(resources.pids.limit));
  const groups: CgroupPlan["groups"][number][] = [];
  const unified: Wanted[] = [];
  for (const w of wanted) {
    const point = layout.v1[w.controller];
    if (point !== undefined) addV1(groups, `${point}/${name}`, w);
    else if (layout.v2?.controllers.includes(w.controller)) unified.push(w);
    else throw new UnsupportedError(`the ${w.controller} controller`, missing(layout, w.controller));
  }
  if (unified.length && layout.v2)
    groups.push({
      path: `${layout.v2.point}/${name}`,
      parents: [],
      prepare: [
        { path: `${layout.v2.point}/cgroup.subtree_control`, text: unified.map((w) => `+${w.controller}`).join(" ") },
      ],
      writes: unified.flatMap((w) => w.v2),
      reads: unified.flatMap((w) => w.v2Reads),
      unified: true,
    });
  return { groups };
}

/** Controllers mounted together (cpu,cpuacct) share a group. */
function addV1(groups: CgroupPlan["groups"][number][], path: string, w: Wanted): void {
  const i = groups.findIndex((g) => g.path === path);
  const before = groups[i];
  const group = {
    path,
    parents: [],
    prepare: [],
    writes: [...(before?.writes ?? []), ...w.v1],
    reads: [...(before?.reads ?? []), ...w.v1Reads],
    unified: false,
  };
  if (before) groups[i] = group;
  else groups.push(group);
}

const missing = (layout: Layout, controller: string) =>
  layout.kind === "none"
    ? "no control group hierarchy is mounted; mount one at /sys/fs/cgroup"
    : `no hierarchy of this machine has it (layout: ${layout.kind}); the kernel lacks it, or cgroup_disable=${controller} was given at boot`;
