import { isatty } from "node:tty";
import { readOptional } from "../cgroups/files.ts";
import { ControlGroup, type GroupLimits } from "../cgroups/group.ts";
import { layout } from "../cgroups/look.ts";
import { described } from "../cgroups/members.ts";
import { groupPath } from "../cgroups/names.ts";
import { planGroups } from "../cgroups/plan.ts";
import type { NotApplied } from "../cgroups/rlimits.ts";
import { type ControllerName, checkLimits } from "../cgroups/table.ts";
import { compileBare } from "../compile/bare.ts";
import type { CgroupPlan } from "../compile/job.ts";
import { bareProcess, timeoutOf } from "../container/in-group.ts";
import { hostFacts } from "../host/facts.ts";
import { signalNumber } from "../kernel/signals.ts";
import { InvalidOptionError, NameError } from "../values/errors.ts";
import { randomName } from "../values/random-name.ts";
import { parseUlimits } from "../values/ulimits.ts";
import { groupLimits } from "./limits.ts";
import type { Values } from "./option-table.ts";
import { ulimits } from "./options.ts";
import { complain, print, table } from "./output.ts";
import { json, showGroup, summary } from "./show-group.ts";

function limitsOf(v: Values): GroupLimits {
  const rlimits = ulimits(v);
  return { ...groupLimits(v), ...(Object.keys(rlimits).length && { rlimits }) };
}

/** What a process did not take is said, and makes the command fail: its limit does not hold. */
function report(notApplied: readonly NotApplied[]): number {
  for (const n of notApplied) complain(`${described(n.pid)} did not take ${n.resource}: ${n.errno}`);
  return notApplied.length ? 1 : 0;
}

const account = (v: Values) => ((v["account"] ?? []) as string[]).flatMap((a) => a.split(",")) as ControllerName[];

export async function create(v: Values, name: string): Promise<number> {
  await ControlGroup.create(name, limitsOf(v), { account: account(v) });
  return 0;
}

export async function set(v: Values, name: string): Promise<number> {
  const limits = limitsOf(v);
  if (Object.keys(limits).length === 0)
    throw new InvalidOptionError("OPTIONS", "", 'given: what to set; "caisson group set --help" lists the limits');
  const group = await ControlGroup.open(name);
  return report((await group.update(limits)).notApplied);
}

export async function add(name: string, pids: readonly string[]): Promise<number> {
  if (pids.length === 0) throw new InvalidOptionError("PID", "", "given: the processes to move");
  const numbers = pids.map((p) => (/^\d+$/.test(p) ? Number(p) : Number.NaN));
  const group = await ControlGroup.open(name);
  return report((await group.add(numbers)).notApplied);
}

const each = async (names: readonly string[], act: (g: ControlGroup) => Promise<void>): Promise<number> => {
  for (const name of names) await act(await ControlGroup.open(name));
  return 0;
};
const waiting = (v: Values) => (typeof v["timeout"] === "string" ? { timeout: v["timeout"] } : {});

export const freeze = (v: Values, names: readonly string[]) => each(names, (g) => g.freeze(waiting(v)));
export const thaw = (names: readonly string[]) => each(names, (g) => g.thaw());

export function kill(v: Values, names: readonly string[]): Promise<number> {
  const given = (v["signal"] as string | undefined) ?? "KILL";
  const signal = signalNumber(given);
  if (signal === undefined) throw new InvalidOptionError("--signal", given, "a signal such as TERM or 15");
  return each(names, (g) => g.kill(signal, waiting(v)));
}

export const remove = (v: Values, names: readonly string[]): Promise<number> =>
  each(names, (g) => g.remove({ recursive: v["recursive"] === true, kill: v["kill"] === true, ...waiting(v) }));

/** One that was removed meanwhile is passed over. */
async function eachThere<T>(look: (g: ControlGroup) => Promise<T>): Promise<T[]> {
  const seen = (await ControlGroup.list()).map(async (g) => {
    try {
      return [await look(g)];
    } catch (e) {
      if (e instanceof NameError) return [];
      throw e;
    }
  });
  return (await Promise.all(seen)).flat();
}

export async function list(v: Values): Promise<number> {
  if (v["json"]) print(json(await eachThere(showGroup)));
  else print(table(["NAME", "STATE", "PROCESSES", "CPU", "MEMORY"], await eachThere(summary)));
  return 0;
}

/** The groups of a subtree, or all of this project's, with their processes. */
export async function tree(v: Values, name: string | undefined): Promise<number> {
  const tops = name === undefined ? await ControlGroup.list() : [await ControlGroup.open(name)];
  const lines: string[] = [];
  const walk = (g: ControlGroup, depth: number) => {
    const label = depth === 0 ? g.name : (g.path.split("/").at(-1) ?? "");
    lines.push(`${"  ".repeat(depth)}${label}`);
    if (v["processes"]) for (const pid of g.processes()) lines.push(`${"  ".repeat(depth + 1)}- ${described(pid)}`);
    for (const child of g.children()) walk(child, depth + 1);
  };
  for (const g of tops) walk(g, 0);
  if (lines.length) print(lines.join("\n"));
  return 0;
}

export async function show(names: readonly string[]): Promise<number> {
  for (const name of names) print(json(await showGroup(await ControlGroup.open(name)), 2));
  return 0;
}

/** A line of JSON for each event, until the group is removed or the command is interrupted. */
export async function events(v: Values, name: string): Promise<number> {
  const group = await ControlGroup.open(name);
  const pressure = Object.fromEntries(
    ((v["pressure"] ?? []) as string[]).map((text) => {
      const [, kind, level, stall, window] = /^(\w+)[.:](some|full)=([^/]+)(?:\/(.+))?$/.exec(text) ?? [];
      if (kind === undefined || level === undefined)
        throw new InvalidOptionError("--pressure", text, 'of the form "memory.some=150ms" or "memory.some=150ms/2s"');
      return [kind, { [level]: stall, ...(window !== undefined && { window }) }];
    }),
  );
  const over = new AbortController();
  process.once("SIGINT", () => over.abort());
  process.once("SIGTERM", () => over.abort());
  for await (const e of group.events({ signal: over.signal, pressure })) print(json(e));
  return 0;
}

/** Runs a command in a group of its own, which goes when it ends, or with --in in one that is there. */
export async function run(v: Values, command: readonly string[]): Promise<number> {
  const [{ commandReport, delegation }, { perform, performedFile }] = await Promise.all([
    import("./perform.ts"),
    import("../container/perform.ts"),
  ]);
  const { rlimits, ...limits } = limitsOf(v);
  const own = parseUlimits("--ulimit", rlimits ?? {});
  const within = v["in"];
  let plan: CgroupPlan;
  let inherited = own;
  if (typeof within === "string") {
    if (Object.keys(limits).length)
      throw new InvalidOptionError("--in", within, 'of use with limits: "caisson group set" sets those of the group');
    const { groups, rlimits: theirs } = (await ControlGroup.open(within)).birthplace();
    plan = { groups };
    inherited = [...theirs, ...own];
  } else {
    const path = groupPath((v["name"] as string | undefined) ?? randomName());
    plan = planGroups(layout(), path, checkLimits(limits), { read: readOptional, home: true, account: account(v) });
  }
  const child = bareProcess(command, {}, inherited);
  await delegation(plan);
  const file = performedFile();
  const keys = plan.groups.flatMap((g) => g.reads.map((r) => r.key));
  const report = commandReport(file, keys, { detach: false, explain: true });
  const stdio = [{ kind: "inherit" }, { kind: "inherit" }, { kind: "inherit" }] as const;
  const timeoutMs = timeoutOf(typeof v["timeout"] === "string" ? { timeout: v["timeout"] } : {});
  const onTerminal = isatty(0);
  return perform(compileBare(child, hostFacts(), { stdio, cgroup: plan, report, timeoutMs, onTerminal }), file);
}
