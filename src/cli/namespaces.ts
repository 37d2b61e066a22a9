import { addDevices, removeDevices } from "../container/hotplug.ts";
import { containersOf, createPod, findPod, listPods, removePod } from "../container/pods.ts";
import { listContainers } from "../container/state.ts";
import { type FoundNamespace, listNamespaces } from "../namespaces/list.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { toNetwork } from "./network-options.ts";
import type { Values } from "./option-table.ts";
import { print, table } from "./output.ts";

type Named = FoundNamespace & { readonly containers: readonly string[] };

/** Whose each is: the containers whose first process is in it. */
async function named(): Promise<Named[]> {
  const first = new Map(listContainers().flatMap((c) => (c.started ? [[c.started.pid, c.noted.name] as const] : [])));
  return (await listNamespaces()).map((n) => ({
    ...n,
    containers: n.processes.flatMap((pid) => first.get(pid) ?? []),
  }));
}

const line = (n: Named) =>
  [
    `${n.kind}:[${n.inode}]`,
    `${n.processes.length} ${n.processes.length === 1 ? "process" : "processes"}`,
    ...(n.containers.length ? [n.containers.join(", ")] : []),
  ].join("  ");

/** User namespaces within each other, and below each the namespaces that it has the rights over. */
function lines(all: readonly Named[], users: Named, indent: string): string[] {
  const own = all.filter((n) => n.kind !== "user" && n.owner === users.inode);
  const below = all.filter((n) => n.kind === "user" && n.parent === users.inode);
  return [
    `${indent}${line(users)}`,
    ...own.map((n) => `${indent}  ${line(n)}`),
    ...below.flatMap((n) => lines(all, n, `${indent}  `)),
  ];
}

export async function namespaces(v: Values): Promise<number> {
  const all = await named();
  if (v["json"]) {
    print(JSON.stringify(all));
    return 0;
  }
  const users = all.filter((n) => n.kind === "user");
  const tops = users.filter((n) => !users.some((other) => other.inode === n.parent));
  for (const top of tops) print(lines(all, top, "").join("\n"));
  const shown = new Set(users.map((u) => u.inode));
  const rest = all.filter((n) => n.kind !== "user" && (n.owner === undefined || !shown.has(n.owner)));
  for (const n of rest) print(line(n));
  return 0;
}

export async function device(action: "add" | "remove", [name, ...paths]: readonly string[]): Promise<number> {
  if (name === undefined || paths.length === 0)
    throw new InvalidOptionError("NAME DEVICE", "", "given, such as: web /dev/fuse");
  if (action === "add") await addDevices(name, paths);
  else await removeDevices(name, paths);
  return 0;
}

const kinds = ["network", "ipc", "uts", "user"] as const;

export async function podCreate(v: Values, name: string | undefined): Promise<number> {
  const keep = v["keep"] as string[] | undefined;
  for (const k of keep ?? [])
    if (!kinds.some((kind) => kind === k)) throw new InvalidOptionError("--keep", k, `one of ${kinds.join(", ")}`);
  const network = toNetwork(v);
  if (network === "host") throw new InvalidOptionError("--network", "host", "a network of the pod's own");
  const sysctls = ((v["sysctl"] ?? []) as string[]).map((s) => {
    const at = s.indexOf("=");
    if (at < 1) throw new InvalidOptionError("--sysctl", s, 'of the form "name=value"');
    return [s.slice(0, at), s.slice(at + 1)] as const;
  });
  const pod = await createPod({
    ...(name !== undefined && { name }),
    ...(typeof v["hostname"] === "string" && { hostname: v["hostname"] }),
    ...(network !== undefined && { network }),
    ...(keep && { namespaces: keep as (typeof kinds)[number][] }),
    ...(sysctls.length && { sysctls: Object.fromEntries(sysctls) }),
  });
  print(pod.name);
  return 0;
}

export function podList(v: Values): number {
  const pods = listPods().map((p) => ({ ...p, containers: containersOf(p.name) }));
  if (v["json"]) print(JSON.stringify(pods));
  else
    print(
      table(
        ["NAME", "NAMESPACES", "ADDRESSES", "CONTAINERS"],
        pods.map((p) => [
          p.name,
          p.namespaces.join(","),
          p.network?.addresses.join(",") ?? "-",
          p.containers.join(",") || "-",
        ]),
      ),
    );
  return 0;
}

export async function podRemove(names: readonly string[]): Promise<number> {
  for (const name of names.map((n) => findPod(n).name)) await removePod(name);
  return 0;
}
