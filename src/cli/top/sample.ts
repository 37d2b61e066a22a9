import { readFileSync } from "node:fs";
import { isDirectory } from "../../cgroups/files.ts";
import { ControlGroup, type GroupUsage } from "../../cgroups/group.ts";
import { hierarchies } from "../../cgroups/layout.ts";
import { layoutFor } from "../../cgroups/look.ts";
import { nameOf } from "../../cgroups/names.ts";
import { groupPathOf } from "../../container/group-path.ts";
import { listContainers, type Noted } from "../../container/state.ts";
import { processesBeside } from "../../host/pid-namespace.ts";
import { isCode } from "../../values/code-of.ts";
import { stateOf } from "../show-group.ts";

/** One container or group at one moment. Seconds and bytes; `undefined` is not counted there. */
export type Sample = {
  readonly name: string;
  readonly kind: "container" | "group";
  readonly state: string;
  readonly processes: number;
  readonly cpuTime?: number;
  readonly memory?: number;
  readonly memoryMax?: number;
  /** Bytes read and written so far. */
  readonly io?: number;
  /** The worst of its pressures: share of the last 10 s in which some task waited. */
  readonly pressure?: number;
};

/** What is between two samples of the same name, per second. */
export type Row = Sample & { readonly cpu: number | undefined; readonly ioRate: number | undefined };

const TICKS = 100;
const PAGE = 4096;

/** Without a group that counts, the processes themselves are asked: shared memory is counted more than once then. */
function fromProcesses(first: number): { processes: number; cpuTime: number; memory: number } {
  let [cpuTime, memory, processes] = [0, 0, 0];
  for (const pid of processesBeside(first))
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      cpuTime += (Number(fields[11]) + Number(fields[12])) / TICKS;
      memory += Number(fields[21]) * PAGE;
      processes++;
    } catch (e) {
      if (!isCode(e, "ENOENT", "ESRCH")) throw e;
    }
  return { processes, cpuTime, memory };
}

const worst = (u: GroupUsage | undefined) => {
  const shares = Object.values(u?.pressure ?? {}).flatMap((p) => (p?.some ? [p.some.avg10] : []));
  return shares.length ? Math.max(...shares) : undefined;
};

async function sampleGroup(g: ControlGroup, kind: Sample["kind"], first?: number): Promise<Sample> {
  const usage = await g.usage();
  const max = (await g.limits()).memory?.max;
  const own = usage.cpu?.time === undefined || usage.memory?.current === undefined;
  const counted = first !== undefined && own ? fromProcesses(first) : undefined;
  const cpuTime = usage.cpu?.time ?? counted?.cpuTime;
  const memory = usage.memory?.current ?? counted?.memory;
  const pressure = worst(usage);
  return {
    name: g.name,
    kind,
    state: stateOf(g) === "frozen" ? "frozen" : "running",
    processes: counted?.processes ?? usage.processes,
    ...(cpuTime !== undefined && { cpuTime }),
    ...(memory !== undefined && { memory }),
    ...(max !== undefined && Number.isFinite(max) && { memoryMax: max }),
    ...(usage.io && { io: usage.io.read + usage.io.write }),
    ...(pressure !== undefined && { pressure }),
  };
}

async function sampleContainer({ name, cgroup }: Noted, pid: number): Promise<Sample> {
  const path = groupPathOf(name, cgroup);
  if (hierarchies(layoutFor(path)).some((h) => isDirectory(h.top + path)))
    return { ...(await sampleGroup(await ControlGroup.open(path), "container", pid)), name };
  return { name, kind: "container", state: "running", ...fromProcesses(pid) };
}

/** What is gone between the listing and the look has no sample. */
const orNothing = (p: Promise<Sample>): Promise<Sample[]> =>
  p.then(
    (s) => [s],
    (e: unknown) => {
      if (e instanceof Error && e.name === "NameError") return [];
      throw e;
    },
  );

/** All running containers, and all groups that caisson made. */
export async function sampleAll(only: readonly string[] = []): Promise<Sample[]> {
  const running = listContainers().filter((c) => c.status === "running" && c.started);
  const wanted = only.length ? running.filter((c) => only.includes(c.noted.name)) : running;
  const containers = wanted.map((c) => orNothing(sampleContainer(c.noted, c.started?.pid ?? 0)));
  if (only.length) return (await Promise.all(containers)).flat();
  const names = new Set(running.map((c) => nameOf(groupPathOf(c.noted.name, c.noted.cgroup))));
  const groups: Promise<Sample[]>[] = [];
  const walk = (g: ControlGroup) => {
    if (!names.has(g.name)) groups.push(orNothing(sampleGroup(g, "group")));
    for (const child of g.children()) walk(child);
  };
  for (const g of await ControlGroup.list()) walk(g);
  return (await Promise.all([...containers, ...groups])).flat();
}

/** Rates, from two samplings and the seconds between them. */
export function ratesOf(before: readonly Sample[], now: readonly Sample[], seconds: number): Row[] {
  const old = new Map(before.map((s) => [s.name, s]));
  return now.map((s) => {
    const o = old.get(s.name);
    const rate = (a: number | undefined, b: number | undefined) =>
      a === undefined || b === undefined ? undefined : Math.max(0, (b - a) / seconds);
    return { ...s, cpu: rate(o?.cpuTime, s.cpuTime), ioRate: rate(o?.io, s.io) };
  });
}
