import type { Controller } from "../controller.ts";

/** No limits: a group for `perf stat --for-each-cgroup`. Every v2 group is one. Source: cgroups(7), cgroup-v2 "perf_event". */
export const perfEvent: Controller<Record<string, never>, Record<string, never>, Record<string, never>> = {
  name: "perfEvent",
  v1: "perf_event",
  v2: "core",
  config: "CONFIG_CGROUP_PERF",
  parse: () => ({}),
  writes: () => [],
  limits: () => ({}),
  usage: () => ({}),
};
