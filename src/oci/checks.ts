import { existsSync } from "node:fs";
import { isNew, namespaceOf } from "../compile/context.ts";
import { notifies } from "../compile/seccomp.ts";
import type { NamespaceKind, Spec } from "../compile/spec.ts";
import { dottedSysctl } from "../compile/sysctl.ts";
import { readOr } from "../host/files.ts";
import { decide } from "../seccomp/decide.ts";
import { ConfigError } from "./config.ts";

/** What contradicts itself, or asks for what this machine has not: refused before anything is touched. */

function fail(field: string, why: string): never {
  throw new ConfigError(`${field}: ${why}`);
}

function checkNamespaces(spec: Spec): void {
  const { linux } = spec;
  const maps = (linux?.uidMappings?.length ?? 0) + (linux?.gidMappings?.length ?? 0);
  const user = namespaceOf(spec, "user");
  if (isNew(spec, "user") && (!linux?.uidMappings?.length || !linux.gidMappings?.length))
    fail("linux.uidMappings", "a new user namespace needs id maps for users and groups");
  if (user === undefined && maps) fail("linux.uidMappings", "id maps are of use with a new user namespace");
  if (spec.hostname && !namespaceOf(spec, "uts"))
    fail("hostname", "without a UTS namespace of the container's own it would be the host's");
  if (spec.domainname && !namespaceOf(spec, "uts"))
    fail("domainname", "without a UTS namespace of the container's own it would be the host's");
  if (Object.keys(linux?.timeOffsets ?? {}).length && !isNew(spec, "time"))
    fail("linux.timeOffsets", "they are of use with a new time namespace");
  if (Object.keys(linux?.netDevices ?? {}).length && !namespaceOf(spec, "network"))
    fail("linux.netDevices", "they are of use with a network namespace of the container's own");
  for (const { type } of linux?.namespaces ?? [])
    if (!existsSync(`/proc/self/ns/${nsFile[type]}`)) fail("linux.namespaces", `this kernel has no ${type} namespaces`);
}
const nsFile: Record<NamespaceKind, string> = {
  ...{ pid: "pid", network: "net", mount: "mnt", ipc: "ipc", uts: "uts", user: "user", cgroup: "cgroup", time: "time" },
};

/** Mounts are for a mount namespace of the container's own: where it has none they are passed over, as by other runtimes. */
export function withoutForeignMounts(spec: Spec, say: (message: string) => void): Spec {
  if (namespaceOf(spec, "mount") || !spec.mounts?.length) return spec;
  say("mounts are passed over: without a mount namespace of the container's own the host would have them, too");
  return { ...spec, mounts: [] };
}

function checkMounts(spec: Spec): void {
  const { linux } = spec;
  for (const { destination, uidMappings, gidMappings } of spec.mounts ?? [])
    if (!uidMappings?.length !== !gidMappings?.length)
      fail(`mounts: ${destination}`, "uidMappings and gidMappings are given together: the kernel maps both or none");
  const own = namespaceOf(spec, "mount") !== undefined;
  if (own) return;
  for (const [field, list] of [
    ["linux.maskedPaths", linux?.maskedPaths],
    ["linux.readonlyPaths", linux?.readonlyPaths],
  ] as const)
    if (list?.length) fail(field, "without a mount namespace of the container's own the host would have it too");
  if (spec.root?.readonly) fail("root.readonly", "it needs a mount namespace of the container's own");
}

/** Those of a namespace that the container has for itself; all others are the host's. sysctl(8), namespaces(7). */
function checkSysctls(spec: Spec): void {
  const ipc = /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)|fs\.mqueue\..+)$/;
  for (const name of Object.keys(spec.linux?.sysctl ?? {})) {
    const dotted = dottedSysctl(name);
    const kind: NamespaceKind | undefined = ipc.test(dotted)
      ? "ipc"
      : dotted.startsWith("net.")
        ? "network"
        : dotted === "kernel.domainname" || dotted === "kernel.hostname"
          ? "uts"
          : dotted.startsWith("user.")
            ? "user"
            : undefined;
    if (!kind || /(^|\/)\.\.(\/|$)/.test(name))
      fail(`linux.sysctl.${name}`, "it is of the whole machine, not of a namespace");
    if (!namespaceOf(spec, kind)) fail(`linux.sysctl.${name}`, `it needs a ${kind} namespace of the container's own`);
    if (dotted === "kernel.hostname") fail(`linux.sysctl.${name}`, "the hostname is set by the field `hostname`");
  }
}

function checkSecurity(spec: Spec): void {
  const { process, linux } = spec;
  if (process?.apparmorProfile && readOr("/sys/module/apparmor/parameters/enabled")?.trim() !== "Y")
    fail("process.apparmorProfile", "AppArmor is not enabled on this machine");
  const { seccomp } = linux ?? {};
  if (notifies(seccomp) && seccomp?.listenerPath === undefined)
    fail("linux.seccomp.listenerPath", "SCMP_ACT_NOTIFY needs somebody who answers");
  // By write(2) the first process says that there is a listener to be handed over.
  if (seccomp && decide(seccomp, "write", []).action === "SCMP_ACT_NOTIFY")
    fail("linux.seccomp", "SCMP_ACT_NOTIFY cannot be used for the write syscall");
}

export function checkSpec(spec: Spec): void {
  if (!spec.root) fail("root", "required, but missing");
  if (!spec.process) fail("process", "required, but missing");
  checkNamespaces(spec);
  checkMounts(spec);
  checkSysctls(spec);
  checkSecurity(spec);
}
