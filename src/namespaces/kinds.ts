import type { NamespaceKind } from "../compile/spec.ts";

/** The eight kinds, and what each is called in /proc/PID/ns (namespaces(7)). */
export const procNames: Readonly<Record<NamespaceKind, string>> = {
  mount: "mnt",
  uts: "uts",
  ipc: "ipc",
  pid: "pid",
  network: "net",
  user: "user",
  cgroup: "cgroup",
  time: "time",
};

export const namespaceKinds = Object.keys(procNames) as readonly NamespaceKind[];

export const kindOfProcName = (name: string): NamespaceKind | undefined =>
  namespaceKinds.find((kind) => procNames[kind] === name);

export const isKind = (text: string): text is NamespaceKind => (namespaceKinds as readonly string[]).includes(text);
