import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CgroupPlan } from "../compile/job.ts";
import type { IntelRdt } from "../compile/spec.ts";
import { ConfigError } from "./config.ts";

/**
 * Shares of the cache and of memory bandwidth: resctrl, the kernel's user interface for resource control
 * (Documentation/filesystems/resctrl.rst), as config-linux.md "IntelRdt" has it. Its groups are directories with a file of
 * tasks, as those of control groups v1 are.
 */
export type ResctrlGroups = {
  readonly plan: CgroupPlan["groups"];
  /** What every process of the container enters, in this order. */
  readonly join: readonly string[];
  /** What is the container's alone, and goes with it. */
  readonly remove: readonly string[];
};

/** The kernel takes whole lines only. */
export const schemataWrite = (lines: readonly string[]) => ({ file: "schemata", text: `${lines.join("\n")}\n` });

const isLine = (line: string) => line.trim() !== "";
const isBandwidth = (line: string) => /^\s*MB:/.test(line);

/** All that is to be written to `schemata`, a line each; the bandwidth is what memBwSchema says, if that says it. */
export function schemataOf({ l3CacheSchema = "", memBwSchema = "", schemata = [] }: IntelRdt): string[] {
  const cache = l3CacheSchema.split("\n").filter((line) => memBwSchema === "" || !isBandwidth(line));
  return [...cache, ...memBwSchema.split("\n"), ...schemata.flatMap((s) => s.split("\n"))].filter(isLine);
}

/** The kernel fills numbers up with spaces, and masks with zeros. */
const line = /^\s*([A-Z]\w*):(\d+= *[0-9a-f]+(?:;\d+= *[0-9a-f]+)*)\s*$/i;

/** "L3:0=00f;1=ff" as "L3:0" is "f" and "L3:1" is "ff". */
function sharesIn(lines: readonly string[]): Map<string, string> {
  const shares = new Map<string, string>();
  for (const text of lines) {
    const [, resource = "", list = ""] = line.exec(text) ?? [];
    for (const share of list.split(";")) {
      const [domain = "", value = ""] = share.split("=");
      shares.set(
        `${resource}:${domain}`,
        value
          .trim()
          .toLowerCase()
          .replace(/^0+(?=.)/, ""),
      );
    }
  }
  return shares;
}

function checkSame(wanted: readonly string[], found: string, directory: string): void {
  const has = sharesIn(found.split("\n"));
  for (const [share, value] of sharesIn(wanted))
    if (has.get(share) !== value)
      throw new ConfigError(
        `linux.intelRdt.closID: ${directory} is there already, with ${share}=${has.get(share) ?? "nothing"} instead of ${value}`,
      );
}

function checkName(closID: string): void {
  const reserved = ["", ".", "..", "info", "mon_groups", "mon_data"];
  if (closID !== "/" && (closID.includes("/") || reserved.includes(closID)))
    throw new ConfigError(`linux.intelRdt.closID: ${JSON.stringify(closID)} is not the name of a directory, or "/"`);
}

const group = (path: string, more: Partial<CgroupPlan["groups"][number]>): CgroupPlan["groups"][number] => ({
  ...{ path, parents: [], prepare: [], writes: [], reads: [], unified: false },
  ...more,
});

/** `point`: where resctrl is mounted. Only looked at. */
export function resctrlGroups(rdt: IntelRdt, id: string, point: string): ResctrlGroups {
  const { closID, enableMonitoring } = rdt;
  const wanted = schemataOf(rdt);
  const odd = wanted.find((text) => !line.test(text));
  if (odd !== undefined)
    throw new ConfigError(`linux.intelRdt: ${JSON.stringify(odd)} is not of the form "L3:0=ff;1=f0"`);
  if (closID !== undefined) checkName(closID);
  const own = closID === undefined;
  const directory = closID === "/" ? point : join(point, closID ?? id);
  const exists = existsSync(directory);
  if (exists && wanted.length) checkSame(wanted, readFileSync(join(directory, "schemata"), "utf8"), directory);
  if (!exists && !own && wanted.length === 0)
    throw new ConfigError(`linux.intelRdt.closID: there is no ${directory}, and nothing to make it with`);
  if (exists && own) throw new ConfigError(`linux.intelRdt: ${directory} is there already`);
  const writes = exists || wanted.length === 0 ? [] : [schemataWrite(wanted)];
  // One that was named is for others, too: it is made, and left.
  const shares = own
    ? group(directory, { writes })
    : group(directory, { existing: true, writes, ...(!exists && { parents: [directory] }) });
  const monitor = join(directory, "mon_groups", id);
  const monitors = enableMonitoring ? [group(monitor, {})] : [];
  return {
    plan: [shares, ...monitors],
    join: [directory, ...monitors.map((m) => m.path)],
    remove: own ? [directory] : monitors.map((m) => m.path),
  };
}
