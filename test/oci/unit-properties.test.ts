import { expect, test } from "bun:test";
import type { Layout } from "../../src/cgroups/layout.ts";
import { unitProperties } from "../../src/oci/unit-properties.ts";

const v2: Layout = {
  kind: "v2",
  v1: {},
  v2: { point: "/sys/fs/cgroup", controllers: ["cpu", "memory", "pids"], base: "" },
};
const v1: Layout = { kind: "v1", v1: { memory: "/m", cpu: "/c", pids: "/p" }, v2: undefined };
const words = (...of: Parameters<typeof unitProperties>) => unitProperties(...of).map((p) => p.join(" "));
const resources = {
  memory: { limit: 64 << 20, reservation: 32 << 20, swap: 96 << 20 },
  cpu: { shares: 2048, quota: 50_000, period: 200_000 },
  pids: { limit: 50 },
};
const v1Words = ["MemoryMax t 67108864", "TasksMax t 50", "CPUShares t 2048", "CPUQuotaPerSecUSec t 250000"];

test("limits, in the words of systemd, for each layout", () => {
  expect(words(v2, resources)).toEqual([
    "MemoryLow t 33554432",
    "MemoryMax t 67108864",
    "MemorySwapMax t 33554432",
    "TasksMax t 50",
    "CPUWeight t 174",
    "CPUQuotaPerSecUSec t 250000",
    "CPUQuotaPeriodUSec t 200000",
  ]);
  expect(words(v1, resources)).toEqual(v1Words);
});

test("CPUs and nodes of memory, a bit for each", () => {
  expect(words(v2, { cpu: { cpus: "0-3,9", mems: "0" } })).toEqual([
    "AllowedCPUs ay 2 15 2",
    "AllowedMemoryNodes ay 1 1",
  ]);
  expect(words(v2, { cpu: { cpus: "0" }, unified: { "cpuset.cpus": "17" } })).toEqual(["AllowedCPUs ay 3 0 0 2"]);
  expect(words(v1, { cpu: { cpus: "0-3" } })).toEqual([]);
  for (const cpuset of ["0-99999999999", "3-1", "one", ""])
    expect(words(v2, { unified: { "cpuset.cpus": cpuset } })).toEqual([]);
});

test("what has no limit is said to have none, and what is not given is not said", () => {
  const none = "18446744073709551615";
  expect(words(v2, { memory: { limit: -1, swap: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } })).toEqual([
    `MemoryMax t ${none}`,
    `MemorySwapMax t ${none}`,
    `TasksMax t ${none}`,
    `CPUQuotaPerSecUSec t ${none}`,
    "CPUQuotaPeriodUSec t 100000",
  ]);
  expect(words(v2, { unified: { "memory.max": "99999999999999999999999" } })).toEqual([`MemoryMax t ${none}`]);
  expect(words(v2, {})).toEqual([]);
  expect(words(v2)).toEqual([]);
});

test("files by their names go before what stands for them", () => {
  const unified = { "memory.high": "48M", "memory.max": "max", "cpu.max": "30000 100000", "io.weight": "default 50" };
  expect(words(v2, { ...resources, unified: { ...unified, "memory.oom.group": "1" } })).toEqual([
    "MemoryLow t 33554432",
    "MemoryHigh t 50331648",
    "MemoryMax t 18446744073709551615",
    "MemorySwapMax t 33554432",
    "TasksMax t 50",
    "CPUWeight t 174",
    "IOWeight t 50",
    "CPUQuotaPerSecUSec t 300000",
    "CPUQuotaPeriodUSec t 100000",
  ]);
  expect(words(v2, { unified: { "cpu.max": "max", "memory.low": "much" } })).toEqual([
    "CPUQuotaPerSecUSec t 18446744073709551615",
    "CPUQuotaPeriodUSec t 100000",
  ]);
});
