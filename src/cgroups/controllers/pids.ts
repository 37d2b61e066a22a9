import { type Controller, present, readKeyed, readNumber, write } from "../controller.ts";
import { parseCountOrMax } from "../parse.ts";

/** Processes and threads. Source: cgroup-v2 "PID Interface Files"; the same files on v1. */
export type PidsInput = { readonly max?: number | string };
export type PidsLimits = { readonly max?: number };
export type PidsUsage = { readonly current?: number; readonly peak?: number; readonly maxReached?: number };

const events = [{ file: "pids.events", names: ["max"] }];

export const pids: Controller<PidsInput, PidsLimits, PidsUsage> = {
  name: "pids",
  v1: "pids",
  v2: "pids",
  config: "CONFIG_CGROUP_PIDS",
  fields: ["max"],
  parse: (i, field) => present({ max: parseCountOrMax(`${field}.max`, i.max) }),
  writes: (l) => (l.max === undefined ? [] : [write("pids.max", l.max)]),
  limits: (f) => present({ max: readNumber(f.read("pids.max")) }),
  usage: (f) =>
    present({
      current: readNumber(f.read("pids.current")),
      peak: readNumber(f.read("pids.peak")),
      maxReached: readKeyed(f.read("pids.events"))["max"],
    }),
  events: { v1: events, v2: events },
};
