import { expect, test } from "bun:test";
import type { AnyController, Files } from "../../src/cgroups/controller.ts";
import { findLayout, type Look } from "../../src/cgroups/layout.ts";
import { groupPath, lineage, nameOf } from "../../src/cgroups/names.ts";
import { limitsOfResources, weightOfOciShares } from "../../src/cgroups/oci.ts";
import { planGroups } from "../../src/cgroups/plan.ts";
import { checkLimits, controllerOf, type Limits } from "../../src/cgroups/table.ts";
import type { HostFacts } from "../../src/host/facts.ts";
import { parseMountinfo } from "../../src/host/mountinfo.ts";

const hybridText = `33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 31 0:30 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
const v2Text = "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const facts = (t: string, uid = 0, own = "/"): HostFacts => ({
  arch: "x86_64",
  kernel: [6, 1],
  uid,
  gid: uid,
  mounts: parseMountinfo(t),
  ownGroups: { "": own },
  bounding: [],
  kernelFiles: {},
});
const sees = (controllers: string, delegated: readonly string[] = []): Look => ({
  scope: undefined,
  words: () => controllers.split(" ").filter(Boolean),
  delegated: (d) => delegated.includes(d),
});
const hybrid = findLayout(facts(hybridText), sees("hugetlb"));
const v2 = findLayout(facts(v2Text), sees("cpu cpuset io memory pids"));
const read = (path: string) =>
  path.endsWith("cpuset.cpus") ? "0-1\n" : path.endsWith("cpuset.mems") ? "0\n" : undefined;
const plan = (layout: typeof hybrid, limits: Limits, home = false) =>
  planGroups(layout, groupPath("x/y"), checkLimits(limits), { read, home }).groups;
const texts = (layout: typeof hybrid, limits: Limits) =>
  plan(layout, limits).flatMap((g) => g.writes.map((w) => `${w.file}=${w.text}`));

test("the same limits in each layout", () => {
  const limits: Limits = { memory: { max: "1M", swap: 0 }, cpu: { max: 0.5 } };
  expect(hybrid.kind).toBe("hybrid");
  expect(plan(hybrid, limits).map((g) => [g.path, g.writes.map((w) => `${w.file}=${w.text}`)])).toEqual([
    ["/sys/fs/cgroup/memory/caisson-x/y", ["memory.limit_in_bytes=1048576", "memory.memsw.limit_in_bytes=1048576"]],
    ["/sys/fs/cgroup/cpu,cpuacct/caisson-x/y", ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=50000"]],
  ]);
  expect(v2.kind).toBe("v2");
  expect(plan(v2, limits)).toMatchObject([
    {
      path: "/sys/fs/cgroup/caisson-x/y",
      parents: ["/sys/fs/cgroup/caisson-x"],
      unified: true,
      prepare: [
        { path: "/sys/fs/cgroup/cgroup.subtree_control", text: "+memory +cpu" },
        { path: "/sys/fs/cgroup/caisson-x/cgroup.subtree_control", text: "+memory +cpu" },
      ],
      writes: [
        { file: "memory.max", text: "1048576" },
        { file: "memory.swap.max", text: "0" },
        { file: "cpu.max", text: "50000 100000" },
      ],
    },
  ]);
});

test("each controller's texts, as each layout wants them", () => {
  const limits: Limits = {
    cpu: { weight: 50, burst: "10ms", max: 2, idle: true },
    cpuset: { cpus: [0, 1] },
    io: { devices: { "8:0": { read: "100MB/s", writeOps: 1000 } } },
  };
  expect(texts(hybrid, limits)).toEqual([
    "cpu.shares=512",
    "cpu.cfs_period_us=100000",
    "cpu.cfs_quota_us=200000",
    "cpu.cfs_burst_us=10000",
    "cpu.idle=1",
    "cpuset.cpus=0,1",
    "cpuset.mems=0",
    "blkio.throttle.read_bps_device=8:0 104857600",
    "blkio.throttle.write_iops_device=8:0 1000",
  ]);
  expect(texts(v2, limits)).toEqual([
    "cpu.weight=50",
    "cpu.max=200000 100000",
    "cpu.max.burst=10000",
    "cpu.idle=1",
    "cpuset.cpus=0,1",
    "io.max=8:0 rbps=104857600 wiops=1000",
  ]);
  expect(texts(v2, { memory: { min: "1M", low: "2M", high: "3M", max: "max", oomGroup: true } })).toEqual([
    "memory.min=1048576",
    "memory.low=2097152",
    "memory.high=3145728",
    "memory.max=max",
    "memory.oom.group=1",
  ]);
});

test("what a layout lacks is refused by name, and said to be so", () => {
  const none = findLayout(facts(""), sees(""));
  expect(() => plan(none, { pids: { max: 5 } })).toThrow("the pids controller: no control group hierarchy is mounted");
  expect(plan(none, {})).toEqual([]);
  expect(() => plan(hybrid, { pids: { max: 5 } })).toThrow("mount -t cgroup -o pids none DIRECTORY");
  expect(() => plan(hybrid, { memory: { high: "1M" } })).toThrow("memory.high: control groups v1 have no such thing");
  expect(() => plan(v2, { memory: { oomKill: false } })).toThrow("memory.oomKill: control groups v2");
  expect(() => plan(v2, { netCls: { classid: 5 } })).toThrow("it exists in control groups v1 only");
});

test("an unprivileged user makes groups where they were delegated to it", () => {
  const tops = ["/sys/fs/cgroup/user/1000", "/sys/fs/cgroup/user/1000/shell"];
  const user = findLayout(facts(v2Text, 1000, "/user/1000/shell"), sees("memory pids", tops));
  expect(plan(user, { pids: { max: 5 } })[0]?.path).toBe("/sys/fs/cgroup/user/1000/caisson-x/y");
  const stranger = findLayout(facts(v2Text, 1000, "/user/1000/shell"), sees("memory pids"));
  expect(() => plan(stranger, { pids: { max: 5 } })).toThrow("the pids controller");
});

test("where systemd runs, groups are made in the scope that it delegates", () => {
  const scope = { manager: "system", top: "", slice: "system.slice", path: "/system.slice/caisson.scope" } as const;
  const booted = findLayout(facts(v2Text), { ...sees("cpu memory pids"), scope });
  const [group] = plan(booted, { pids: { max: 5 } });
  expect(group?.path).toBe("/sys/fs/cgroup/system.slice/caisson.scope/caisson-x/y");
  expect(group?.prepare[0]?.path).toBe("/sys/fs/cgroup/system.slice/caisson.scope/cgroup.subtree_control");
});

test("a user's groups are in a scope of the user's own systemd, unless it was given others", () => {
  const [top, slice] = ["/user.slice/user-7.slice/user@7.service", "app.slice"];
  const scope = { manager: "user", top, slice, path: `${top}/${slice}/caisson.scope` } as const;
  const at = (own: string, ...delegated: string[]) => {
    const tops = delegated.map((d) => `/sys/fs/cgroup${d}`);
    return findLayout(facts(v2Text, 7, own), { ...sees("memory pids", tops), scope }).v2;
  };
  expect(at("/user.slice/user-7.slice/session-1.scope", top)).toMatchObject({ base: scope.path, scope });
  // Not beside what the manager has in its group, which is the user's too.
  expect(at(`${top}/app.slice/shell.scope`, top, `${top}/app.slice`, `${top}/app.slice/shell.scope`)).toMatchObject({
    base: scope.path,
    scope,
  });
  const given = at("/builds/7", "/builds/7", top);
  expect(given?.base).toBe("/builds/7");
  expect(given?.scope).toBeUndefined();
  // A manager that was given no group, as in a hybrid layout, has none to give.
  expect(at("/user.slice/user-7.slice/session-1.scope")).toMatchObject({ base: "", controllers: [] });
});

test("resources of an OCI spec as limits", () => {
  expect(
    limitsOfResources({
      memory: { limit: 2 ** 20, swap: 3 * 2 ** 20, reservation: -1 },
      cpu: { shares: 1024, quota: 50000, period: 100000, cpus: "0" },
      pids: { limit: -1 },
      blockIO: { weight: 10, throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 5 }] },
      devices: [{ allow: false }, { allow: true, type: "c", major: 1, minor: 3, access: "rw" }],
      hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
    }),
  ).toEqual({
    memory: { max: 2 ** 20, swap: 2 * 2 ** 20, low: Number.POSITIVE_INFINITY },
    cpu: { weight: 100, shares: 1024, max: 0.5, period: 0.1 },
    cpuset: { cpus: "0" },
    pids: { max: Number.POSITIVE_INFINITY },
    io: { weight: 1, v1Weight: 10, devices: { "8:0": { read: 5 } } },
    devices: { default: "deny", rules: [{ allow: true, type: "c", major: 1, minor: 3, access: "rw" }] },
    hugetlb: { "2MB": { max: 4194304 } },
  });
  expect([2, 1024, 262144].map(weightOfOciShares)).toEqual([1, 100, 10000]);
  expect(() => limitsOfResources({ memory: { limit: 10, swap: 5 } })).toThrow("linux.resources.memory.swap: 5");
});

/** A group of files in memory: what is written is what is read. */
const filesIn = (version: "v1" | "v2", files: Record<string, string>): Files => ({
  version,
  read: (file) => files[file],
  home: () => undefined,
  other: () => undefined,
});

test("what is written reads back as the same numbers", () => {
  const cases: [string, object][] = [
    ["cpu", { weight: 300, max: 0.25, period: "20ms" }],
    ["pids", { max: "max" }],
    ["cpuset", { cpus: "0-3", mems: "0" }],
    ["rdma", { mlx4_0: { handles: 2, objects: "max" } }],
    ["misc", { sev: 4 }],
    ["hugetlb", { "2MB": { max: "4M" } }],
    ["netCls", { classid: 0x100001 }],
    ["netPrio", { eth0: 3 }],
  ];
  for (const version of ["v1", "v2"] as const)
    for (const [name, input] of cases) {
      const c: AnyController = controllerOf(name);
      const limits = c.parse(input, name);
      const files: Record<string, string> = {};
      for (const w of c.writes(limits, filesIn(version, {}), true)) files[w.file] = `${w.text}\n`;
      expect([name, c.limits(filesIn(version, files))]).toMatchObject([name, limits]);
    }
});

test("names stay within the tree, and keep clear of the kernel's own", () => {
  expect(groupPath("web/api")).toBe("/caisson-web/api");
  expect([groupPath("/user.slice"), nameOf("/caisson-web/api")]).toEqual(["/user.slice", "web/api"]);
  expect(lineage("/a/b")).toEqual(["/a", "/a/b"]);
  for (const bad of ["", "/", "a//b", "..", "a/../b", "a/memory.max", "a/tasks", "a b", "a\nb"])
    expect(() => groupPath(bad)).toThrow("group: ");
});

test("limits that were given before are known by their text, and what is no text for them is not", () => {
  const asked: Limits = { memory: { max: "8M" }, cpu: { max: 2 } };
  expect(checkLimits({ ...asked })).toBe(checkLimits({ ...asked }));
  const first = plan(hybrid, asked);
  const second = planGroups(hybrid, groupPath("z"), checkLimits({ ...asked }), { read }).groups;
  expect(second.map((g) => g.path)).toEqual(first.map((g) => g.path.replace("x/y", "z")));
  expect(second.map((g) => g.writes)).toEqual(first.map((g) => g.writes));
  expect(plan(v2, asked).map((g) => g.path)).toEqual(["/sys/fs/cgroup/caisson-x/y"]);
  expect(checkLimits({ pids: { max: Number.POSITIVE_INFINITY } })).toEqual({ pids: { max: Number.POSITIVE_INFINITY } });
  expect(() => checkLimits({ pids: { max: Number.NaN } })).toThrow("limits.pids.max");
  expect(() => checkLimits({ pids: { max: null } } as never)).toThrow("limits.pids");
  expect(() => checkLimits(asked, "options.more")).not.toThrow();
  const loop: Record<string, unknown> = {};
  loop["max"] = loop;
  expect(() => checkLimits({ pids: loop } as never)).toThrow("limits.pids");
});

test("what a group takes from its parent is read for each, whoever asked for the same limits before", () => {
  const cpus = (text: string) =>
    planGroups(hybrid, groupPath("x/y"), checkLimits({ cpuset: { cpus: "0" } }), {
      read: (path) => (path.endsWith(".mems") ? text : read(path)),
    }).groups.flatMap((g) => g.writes.map((w) => `${w.file}=${w.text}`));
  expect(cpus("0\n")).toContain("cpuset.mems=0");
  expect(cpus("1\n")).toContain("cpuset.mems=1");
});
