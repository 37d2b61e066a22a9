import { until } from "../cgroups/freezer.ts";
import type { NamespaceKind } from "../compile/spec.ts";
import { signalContainer } from "../container/end.ts";
import { isPaused } from "../container/paused.ts";
import {
  findContainer,
  findIfThere,
  type Known,
  listContainers,
  removeContainer,
  removeUnknown,
  runningContainer,
  sweep,
  untilEnded,
} from "../container/state.ts";
import { KILL_EVERYTHING } from "../kernel/signals.ts";
import { identify } from "../namespaces/identify.ts";
import { namespaceKinds, procNames } from "../namespaces/kinds.ts";
import { portsOf } from "../network/port-leases.ts";
import { isCode } from "../values/code-of.ts";
import { NameError } from "../values/errors.ts";
import { filterOf } from "./filters.ts";
import { list, text, type Values } from "./option-table.ts";
import { ago, print, table } from "./output.ts";
import { signalOf, stopping } from "./stopping.ts";

const statusOf = (c: Known) => (isPaused(c) ? "paused" : c.status);
const describeStatus = (c: Known) => (c.ending ? `exited (${c.ending.exitCode})` : statusOf(c));

export async function ps(v: Values): Promise<number> {
  const isWanted = filterOf(v);
  await sweep();
  // Who asks for a status means it.
  const any = v["all"] || list(v, "filter").some((s) => s.startsWith("status="));
  const shown = listContainers().filter(
    (c) => (any || c.status === "running" || c.status === "creating") && isWanted(c, statusOf),
  );
  if (v["json"]) print(JSON.stringify(shown.map(publicFacts)));
  else if (v["quiet"]) for (const c of shown) print(c.noted.name);
  else {
    const rows = shown.map((c) => [
      c.noted.name,
      describeStatus(c),
      String(c.started?.pid ?? "-"),
      ago(c.noted.createdAt),
      c.noted.command.join(" ").slice(0, 60),
    ]);
    print(table(["NAME", "STATUS", "PID", "AGE", "COMMAND"], rows));
  }
  return 0;
}

const publicFacts = (c: Known) => ({
  name: c.noted.name,
  status: statusOf(c),
  ...(c.noted.spec.annotations && { labels: c.noted.spec.annotations }),
  command: c.noted.command,
  createdAt: new Date(c.noted.createdAt).toISOString(),
  ...(c.started && {
    pid: c.started.pid,
    supervisor: c.started.supervisor,
    startedAt: new Date(c.started.startedAt).toISOString(),
  }),
  ...(c.ending && { ...c.ending, endedAt: new Date(c.ending.endedAt).toISOString() }),
});

export function inspect(names: readonly string[]): number {
  const found = names.map(findContainer);
  const all = listContainers();
  print(
    JSON.stringify(
      found.map((c) => ({
        ...publicFacts(c),
        ...namespacesOf(c, all),
        ...(c.noted.network && {
          network: c.noted.network,
          ports: portsOf({ container: c.noted.name, supervisor: c.started?.supervisor }),
        }),
        controlGroups: c.noted.cgroup.groups.map((g) => g.path),
        log: c.noted.log,
        keep: c.noted.keep,
        spec: c.noted.spec,
      })),
      null,
      2,
    ),
  );
  return 0;
}

/** Each namespace of its first process, and which other containers are in the same. */
function namespacesOf(c: Known, all: readonly Known[]) {
  if (c.status !== "running" || !c.started) return {};
  const inode = (pid: number, kind: NamespaceKind) => {
    try {
      return identify(`/proc/${pid}/ns/${procNames[kind]}`)?.inode;
    } catch (e) {
      if (isCode(e, "ENOENT")) return undefined;
      throw e;
    }
  };
  const { pid } = c.started;
  const others = all.filter((o) => o.status === "running" && o.noted.name !== c.noted.name);
  const namespaces = Object.fromEntries(
    namespaceKinds.flatMap((kind) => {
      const own = inode(pid, kind);
      if (own === undefined) return [];
      const sharedWith = others.flatMap((o) => (o.started && inode(o.started.pid, kind) === own ? [o.noted.name] : []));
      const host = inode(process.pid, kind) === own;
      return [[kind, { inode: own, ...(host && { host }), ...(sharedWith.length && { sharedWith }) }]];
    }),
  );
  return { namespaces };
}

/** Prints the exit status of each, as docker wait does. */
export async function wait(names: readonly string[]): Promise<number> {
  for (const name of names) {
    const { ending, unseen } = await untilEnded(findContainer(name));
    if (unseen) findContainer(name);
    print(String(ending?.exitCode ?? 137));
  }
  return 0;
}

export function kill(v: Values, names: readonly string[]): number {
  const signal = signalOf("--signal", text(v, "signal") ?? "KILL");
  for (const c of names.map(runningContainer)) signalContainer(c, signal);
  return 0;
}

/** SIGTERM, or what was asked for, and SIGKILL after a while to those that are still there. */
export async function stop(v: Values, names: readonly string[]): Promise<number> {
  const found = names.map(runningContainer).map((c) => ({ c, ...stopping(v, c) }));
  for (const { c, signal } of found) signalContainer(c, signal);
  for (const { c, ms } of found)
    await untilEnded(c, ms).catch(async (e: unknown) => {
      if (!(e instanceof NameError)) throw e;
      signalContainer(c, KILL_EVERYTHING);
      await untilEnded(c);
    });
  return 0;
}

const BEGIN_MS = 10_000;

/** One that is being made is waited for: there is nothing to kill yet. */
async function findBegun(name: string): Promise<Known | undefined> {
  let c: Known | undefined;
  const isBegun = () => {
    c = findIfThere(name);
    return c?.status !== "creating";
  };
  await until(isBegun, BEGIN_MS);
  return c;
}

export async function rm(v: Values, names: readonly string[]): Promise<number> {
  for (const name of names) {
    let c = v["force"] ? await findBegun(name) : findIfThere(name);
    if (!c) {
      if (!removeUnknown(name) && !v["force"]) findContainer(name);
      continue;
    }
    const { directory, started } = c;
    const isRunning = v["force"] && c.status === "running" && started !== undefined;
    if (isRunning) signalContainer({ directory, started }, KILL_EVERYTHING);
    if (isRunning || c.status === "exited") c = (await untilEnded(c)).left;
    if (c) await removeContainer(c);
  }
  return 0;
}
