import type { NamespaceChoice, NamespaceOptions } from "../container/namespaces.ts";
import type { ContainerOptions, IdRange } from "../container/options.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { OptionTable, Values } from "./option-table.ts";

const values = "new, host, container:NAME or ns:PATH";
const one = (what: string): OptionTable[string] => ({ type: "string", value: "NS", help: `${what}: ${values}` });

/** Docker's names where Docker has one: pid, ipc, uts, userns, cgroupns. */
export const namespaceOptions: OptionTable = {
  pid: one("processes"),
  ipc: one("System V IPC and POSIX queues"),
  uts: one("host and domain name"),
  userns: { ...one("users"), help: `users and groups: auto (a range of ids of its own), ${values}` },
  cgroupns: one("view of the control groups"),
  timens: one("clocks"),
  mountns: one("mounts"),
  uidmap: {
    type: "string",
    multiple: true,
    value: "ID:HOST:SIZE",
    help: "users of the container as users of the host",
  },
  gidmap: { type: "string", multiple: true, value: "ID:HOST:SIZE", help: "the same of groups; both or neither" },
  pod: { type: "string", value: "NAME", help: "the namespaces that a pod keeps (caisson pod create)" },
};

const kinds = {
  pid: "pid",
  ipc: "ipc",
  uts: "uts",
  userns: "user",
  cgroupns: "cgroup",
  timens: "time",
  mountns: "mount",
} as const;

function choice(option: string, text: string): NamespaceChoice {
  const [kind, ...rest] = text.split(":");
  if (kind === "container" && rest.length) return { container: rest.join(":") };
  if (kind === "ns" && rest.length) return { path: rest.join(":") };
  if (text === "host" || text === "new") return text;
  if (text === "private") return "new";
  throw new InvalidOptionError(`--${option}`, text, values);
}

export function toNamespaces(v: Values): NamespaceOptions | undefined {
  const chosen = Object.entries(kinds).flatMap(([option, kind]) => {
    const text = v[option];
    if (typeof text !== "string") return [];
    return [[kind, kind === "user" && text === "auto" ? "auto" : choice(option, text)] as const];
  });
  return chosen.length ? Object.fromEntries(chosen) : undefined;
}

function ranges(option: string, texts: readonly string[]): IdRange[] {
  return texts.map((text) => {
    const [, container, host, size = "1"] = /^(\d+):(\d+)(?::(\d+))?$/.exec(text) ?? [];
    if (container === undefined || host === undefined)
      throw new InvalidOptionError(`--${option}`, text, 'of the form "0:100000:65536"');
    return { container: Number(container), host: Number(host), size: Number(size) };
  });
}

export function toIdMap(v: Values): ContainerOptions["idMap"] {
  const [uid, gid] = [v["uidmap"] as string[] | undefined, v["gidmap"] as string[] | undefined];
  if (!uid && !gid) return undefined;
  if (!uid || !gid)
    throw new InvalidOptionError(
      uid ? "--gidmap" : "--uidmap",
      "",
      "given as well: users and groups are mapped together",
    );
  return { uid: ranges("uidmap", uid), gid: ranges("gidmap", gid) };
}
