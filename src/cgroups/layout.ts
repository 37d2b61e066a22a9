import type { HostFacts } from "../host/facts.ts";

/** Where each controller is mounted, found at run time and never assumed. cgroups(7). */
export type Layout = {
  readonly kind: "v1" | "hybrid" | "v2" | "none";
  /** Mount points of v1 controllers. */
  readonly v1: Readonly<Record<string, string>>;
  readonly v2: { readonly point: string; readonly controllers: readonly string[] } | undefined;
};

const known = new Set(
  "cpu cpuacct cpuset memory devices freezer blkio pids hugetlb net_cls net_prio perf_event rdma misc".split(" "),
);

/** `controllersAt` reads cgroup.controllers of a v2 hierarchy. */
export function findLayout(facts: HostFacts, controllersAt: (point: string) => readonly string[]): Layout {
  const v1: Record<string, string> = {};
  let v2: Layout["v2"];
  for (const m of facts.mounts) {
    if (m.type === "cgroup") for (const o of m.superOptions) if (known.has(o)) v1[o] ??= m.point;
    if (m.type === "cgroup2" && !v2) v2 = { point: m.point, controllers: controllersAt(m.point) };
  }
  const some = Object.keys(v1).length > 0;
  return { kind: some ? (v2 ? "hybrid" : "v1") : v2 ? "v2" : "none", v1, v2 };
}
