import { readyNames } from "../container/answers/names.ts";
import type { ContainerOptions } from "../container/options.ts";
import type { OptionTable, Values } from "./option-table.ts";

export const syscallOptions: OptionTable = {
  answer: {
    type: "string",
    multiple: true,
    value: "NAME",
    help: `answer system calls that it may not make: ${readyNames.join(", ")}`,
  },
  "report-blocked": { type: "boolean", help: "say which system calls its seccomp profile refused" },
  date: { type: "string", value: "TIME", help: "a time of day of its own: 2038-01-19T03:14:00Z, or +3d" },
  view: { type: "boolean", help: "show its own limits in /proc/meminfo, cpuinfo, stat and the like" },
  learn: {
    type: "string",
    value: "FILE",
    help: "refuse nothing, and write the tightest seccomp profile for what it did",
  },
};

/** These are answered by the command itself, which stays for as long as the container runs. */
export const needsUs = (v: Values): boolean =>
  Object.keys(syscallOptions).some((name) => v[name] !== undefined) || String(v["network"]).startsWith("cni:");

export const toSyscalls = (v: Values): [keyof ContainerOptions, unknown][] => [
  ["answer", (v["answer"] as string[] | undefined)?.flatMap((s) => s.split(","))],
  ["view", v["view"]],
  ["date", v["date"]],
  ["reportBlocked", v["report-blocked"]],
  ["learn", v["learn"] === undefined ? undefined : true],
];
