import { expect, test } from "bun:test";
import { findLayout } from "../../src/cgroups/layout.ts";
import { planGroups } from "../../src/cgroups/plan.ts";
import type { HostFacts } from "../../src/host/facts.ts";
import { fileMounts, mountOf, parseMountinfo } from "../../src/host/mountinfo.ts";

const text = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 27 0:21 / /proc rw - proc proc rw
30 27 8:1 / /home/a\\040b rw,noexec shared:1 - ext4 /dev/sda rw
33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
const facts = (t: string): HostFacts => ({
  arch: "x86_64",
  kernel: [6, 1],
  uid: 0,
  gid: 0,
  mounts: parseMountinfo(t),
  ownGroups: {},
  kernelFiles: {},
});

test("mountinfo with escapes, and the file systems of a view of the root", () => {
  const mounts = parseMountinfo(text);
  expect(fileMounts(mounts).map((m) => m.point)).toEqual(["/home/a b"]);
  expect(mountOf(mounts, "/home/a b/c")?.options).toContain("noexec");
  expect(mountOf(mounts, "/home/a bc")?.point).toBe("/");
});

test("the same limits in each layout", () => {
  const resources = { memory: { limit: 1048576 }, cpu: { quota: 50000, period: 100000 } };
  const hybrid = findLayout(facts(text), () => ["hugetlb"]);
  expect(hybrid.kind).toBe("hybrid");
  expect(
    planGroups(hybrid, "caisson-x", resources).groups.map((g) => [g.path, g.writes.map((w) => `${w.file}=${w.text}`)]),
  ).toEqual([
    ["/sys/fs/cgroup/memory/caisson-x", ["memory.limit_in_bytes=1048576", "memory.memsw.limit_in_bytes=1048576"]],
    ["/sys/fs/cgroup/cpu,cpuacct/caisson-x", ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"]],
  ]);
  const v2 = findLayout(facts("41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"), () => [
    "cpu",
    "memory",
    "pids",
  ]);
  expect(v2.kind).toBe("v2");
  expect(planGroups(v2, "caisson-x", resources).groups).toMatchObject([
    {
      path: "/sys/fs/cgroup/caisson-x",
      unified: true,
      prepare: [{ path: "/sys/fs/cgroup/cgroup.subtree_control", text: "+memory +cpu" }],
      writes: [
        { file: "memory.max", text: "1048576" },
        { file: "memory.swap.max", text: "0" },
        { file: "cpu.max", text: "50000 100000" },
      ],
    },
  ]);
});

test("a controller that is nowhere is refused by name; no limit makes no group", () => {
  const none = findLayout(facts(""), () => []);
  expect(() => planGroups(none, "x", { pids: { limit: 5 } })).toThrow(
    "the pids controller: no control group hierarchy is mounted",
  );
  expect(planGroups(none, "x", {}).groups).toEqual([]);
});
