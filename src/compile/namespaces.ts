import { AT_FDCWD, CLONE, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Policy, Slot } from "../program/types.ts";
import { textBlock } from "../program/values.ts";
import { type Context, isNew, namespaceOf } from "./context.ts";
import type { NamespaceKind, Spec } from "./spec.ts";

export const cloneFlag: Record<NamespaceKind, number> = {
  mount: CLONE.NEWNS,
  uts: CLONE.NEWUTS,
  ipc: CLONE.NEWIPC,
  pid: CLONE.NEWPID,
  network: CLONE.NEWNET,
  user: CLONE.NEWUSER,
  cgroup: CLONE.NEWCGROUP,
  time: CLONE.NEWTIME,
};

const hasOffsets = (spec: Spec) => Object.keys(spec.linux?.timeOffsets ?? {}).length > 0;
const hasOwnClocks = (spec: Spec) => isNew(spec, "time") && hasOffsets(spec);
/** In a new user namespace only the first process has the right to set them. */
const setsClocksBefore = (spec: Spec) => hasOwnClocks(spec) && !isNew(spec, "user");

/**
 * /dev/mqueue belongs to who makes its IPC namespace: to nobody, in a user namespace, unless that has an id there already.
 */
export const hasOwnQueues = (spec: Spec): boolean => isNew(spec, "user") && isNew(spec, "ipc");

/** The new namespaces that clone3(2) makes at once, but for those that are made otherwise. */
export function cloneFlags(spec: Spec, otherwise: readonly NamespaceKind[] = []): number {
  let flags = 0;
  for (const { type, path } of spec.linux?.namespaces ?? []) {
    // The cgroup namespace's root is the group its maker is in, so it is made once the process is in its own.
    if (path !== undefined || type === "cgroup" || (type === "time" && hasOffsets(spec))) continue;
    if ((type === "ipc" && hasOwnQueues(spec)) || otherwise.includes(type)) continue;
    flags |= cloneFlag[type];
  }
  return flags;
}

/** A time namespace for the children of who makes it: the offsets must be written before one is in it (time_namespaces(7)). */
function makeTime(c: Context, s: SectionBuilder): void {
  s.call("make the time namespace of the children", "unshare", [CLONE.NEWTIME]);
  for (const [clock, offset] of Object.entries(c.spec.linux?.timeOffsets ?? {})) {
    const text = textBlock(`${clock} ${offset.secs ?? 0} ${offset.nanosecs ?? 0}\n`);
    const fd = s.get("open timens_offsets", "openat", [AT_FDCWD, "/proc/self/timens_offsets", O.WRONLY | O.CLOEXEC, 0]);
    s.call(`offset of the ${clock} clock`, "write", [fd, text, text.bytes.length]);
    s.call("close timens_offsets", "close", [fd]);
  }
}

export function prepareTime(c: Context, s: SectionBuilder): void {
  if (setsClocksBefore(c.spec)) makeTime(c, s);
}

/**
 * In a user namespace of its own the first process makes it for itself: it alone has the right to. Before it has other ids, since
 * its files of /proc are root's from then on.
 */
export function makeOwnTime(c: Context, s: SectionBuilder): void {
  if (!hasOwnClocks(c.spec) || !isNew(c.spec, "user")) return;
  makeTime(c, s);
  const path = "/proc/self/ns/time_for_children";
  const fd = s.get("open the time namespace", "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0]);
  s.call("enter the time namespace", "setns", [fd, CLONE.NEWTIME]);
  s.call("close the time namespace", "close", [fd]);
}

/** The network namespace that a process is in itself, to go back to or to hand over. */
export const openOwnNetwork = (s: SectionBuilder, label: string, policy: Policy = {}): Slot =>
  s.get(label, "openat", [AT_FDCWD, "/proc/self/ns/net", O.RDONLY | O.CLOEXEC, 0], policy);

/** In this order: a user namespace first, since it is the right to the others; mounts last, since paths change with them. */
const joinOrder: readonly NamespaceKind[] = ["user", "ipc", "uts", "network", "pid", "cgroup", "time", "mount"];

/** Whether the first process cannot simply be cloned: namespaces are to be entered, or clocks set, before it is born. */
export const needsEntering = (spec: Spec): boolean =>
  (spec.linux?.namespaces?.some((n) => n.path !== undefined) ?? false) || setsClocksBefore(spec);

/** All namespaces given by path: opened first, while their paths are still the host's. */
export function enterNamespaces(c: Context, s: SectionBuilder): void {
  const given = joinOrder.flatMap((kind) => {
    const path = namespaceOf(c.spec, kind)?.path;
    return path === undefined ? [] : [{ kind, path }];
  });
  const opened = given.map(({ kind, path }) => ({
    kind,
    path,
    fd: s.get(`open the ${kind} namespace ${path}`, "openat", [AT_FDCWD, path, O.RDONLY | O.CLOEXEC, 0]),
  }));
  const users = opened.some(({ kind }) => kind === "user");
  const enter = ({ kind, path, fd }: (typeof opened)[number], ignore: readonly string[] = []) =>
    s.get(`enter the ${kind} namespace ${path}`, "setns", [fd, cloneFlag[kind]], { ignore });
  // Those that the user namespace does not own are open only to who is not in it yet.
  const entered = opened.map((namespace) =>
    users && namespace.kind !== "user" && namespace.kind !== "mount" ? enter(namespace, ["EPERM"]) : undefined,
  );
  for (const [i, namespace] of opened.entries()) {
    const done = entered[i];
    if (done) s.skipIf(done, "==", 0, () => void enter(namespace));
    else enter(namespace);
    s.call(`close ${namespace.path}`, "close", [namespace.fd]);
    if (namespace.kind !== "user") continue;
    s.call("become group 0 of the user namespace", "setresgid", [0, 0, 0], { ignore: ["EPERM"] });
    s.call("become user 0 of the user namespace", "setresuid", [0, 0, 0]);
  }
}
