import { capabilityMask, capabilityNames, capabilityNumber } from "../kernel/capabilities.ts";
import { PR, PR_CAP_AMBIENT } from "../kernel/flags.ts";
import { RLIM_INFINITY, type RlimitName, rlimitNames } from "../kernel/rlimits.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { buffer, struct } from "../program/values.ts";
import { type Context, isNew, namespaceOf } from "./context.ts";
import type { CapabilitySets, Process, User } from "./spec.ts";

/** prlimit(2): -1 and values too large for the kernel mean no limit. */
const limitOf = (n: number | bigint) => (BigInt(n) < 0n || BigInt(n) > RLIM_INFINITY ? RLIM_INFINITY : BigInt(n));
const resource = (type: string) => rlimitNames.indexOf(type as RlimitName);

export function setRlimits(process: Process, s: SectionBuilder, ignore?: readonly string[]): void {
  for (const r of process.rlimits ?? []) {
    const limit = struct("rlimit", [
      [8, limitOf(r.soft)],
      [8, limitOf(r.hard)],
    ]);
    s.call(`set ${r.type}`, "prlimit64", [0, resource(r.type), limit, 0], { ...(ignore && { ignore }) });
  }
}

/**
 * A hard limit is raised by a right over the host (CAP_SYS_RESOURCE, prlimit(2)), which root of a new user namespace
 * has not: so its creator raises it. The soft limits stay, as set-up may need more than the command is to have.
 */
export function raiseHardLimits(c: Context, s: SectionBuilder, pid: Slot): void {
  if (c.facts.uid !== 0 || !isNew(c.spec, "user")) return;
  for (const r of c.spec.process?.rlimits ?? []) {
    const limit = buffer("rlimit", 16);
    s.call(`look at ${r.type}`, "prlimit64", [0, resource(r.type), 0, limit]);
    s.store(limitOf(r.hard), limit, 8, 8);
    // EINVAL: it is below the soft limit, so lower, which the first process may do itself. EPERM: nested; it may not matter.
    s.call(`let ${r.type} be raised`, "prlimit64", [pid, resource(r.type), limit, 0], { ignore: ["EINVAL", "EPERM"] });
  }
}

/** Before the uid changes: what only a privileged process may do. capabilities(7) "Capability bounding set". */
function dropBounding(sets: CapabilitySets, s: SectionBuilder): void {
  const keep = new Set(sets.bounding ?? []);
  capabilityNames.forEach((name, n) => {
    // EINVAL: a kernel older than the capability.
    if (!keep.has(name))
      s.call(`drop ${name} for good`, "prctl", [PR.CAPBSET_DROP, n, 0, 0, 0], { ignore: ["EINVAL"] });
  });
}

const LINUX_CAPABILITY_VERSION_3 = 0x20080522;

function capset(s: SectionBuilder, label: string, [effective, permitted, inheritable]: readonly bigint[]): void {
  const half = (mask: bigint | undefined, n: bigint) => [4, Number(((mask ?? 0n) >> (32n * n)) & 0xffffffffn)] as const;
  const header = struct("cap_user_header", [
    [4, LINUX_CAPABILITY_VERSION_3],
    [4, 0],
  ]);
  const data = struct(
    "cap_user_data",
    [0n, 1n].flatMap((n) => [half(effective, n), half(permitted, n), half(inheritable, n)]),
  );
  s.call(label, "capset", [header, data]);
}

/**
 * For a process of ours that the container sees. Who has CAP_SYS_PTRACE over the host itself may trace one that is not
 * dumpable, too (ptrace(2)): so it may do little more than the container.
 */
export function keepCapabilities(s: SectionBuilder, names: readonly string[]): void {
  const mask = capabilityMask(names);
  capset(s, "keep few capabilities", [mask, mask, 0n]);
}

/** The rights that are left to a process which is about to be in the container: the command's, and what it takes to get there. */
export function limitRights(c: Context, process: Process, s: SectionBuilder): void {
  const { capabilities: sets, rlimits, scheduler, ioPriority, noNewPrivileges } = process;
  // In a user namespace of its own no capability of the container's is one over this process.
  if (!sets || namespaceOf(c.spec, "user")) return;
  dropBounding(sets, s);
  const wanted = [
    ...new Set(Object.values(sets).flatMap((list) => list ?? [])),
    ...["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_CHOWN"],
    ...(rlimits?.length ? ["CAP_SYS_RESOURCE"] : []),
    ...(scheduler || ioPriority ? ["CAP_SYS_NICE", "CAP_SYS_ADMIN"] : []),
    ...(!noNewPrivileges && c.spec.linux?.seccomp ? ["CAP_SYS_ADMIN"] : []),
  ];
  // Those that this process has not it cannot keep.
  keepCapabilities(
    s,
    wanted.filter((name) => c.facts.bounding.includes(name)),
  );
}

function setCapabilities(sets: CapabilitySets, s: SectionBuilder): void {
  const masks = [sets.effective, sets.permitted, sets.inheritable].map((names) => capabilityMask(names ?? []));
  capset(s, "set the capabilities", masks);
  s.call("clear the ambient capabilities", "prctl", [PR.CAP_AMBIENT, PR_CAP_AMBIENT.CLEAR_ALL, 0, 0, 0]);
  // Those that are not both permitted and inheritable the kernel refuses; engines list them all the same.
  const possible = sets.ambient?.filter((n) => sets.permitted?.includes(n) && sets.inheritable?.includes(n));
  for (const name of possible ?? [])
    s.call(`raise ambient ${name}`, "prctl", [PR.CAP_AMBIENT, PR_CAP_AMBIENT.RAISE, capabilityNumber(name) ?? 0, 0, 0]);
}

/** crun's annotation for the groups of whoever starts it, which have no number inside: podman's `--group-add keep-groups`. */
const KEEP_GROUPS = "run.oci.keep_original_groups";

function setGroups(c: Context, user: User, s: SectionBuilder): void {
  const groups = [...new Set(user.additionalGids)];
  // A user namespace made without privileges has setgroups(2) denied: there the list stays as it is.
  const mayNotSet = isNew(c.spec, "user") && groups.every((g) => g === user.gid) ? { ignore: ["EPERM"] } : {};
  const list = struct("groups", groups.length ? groups.map((g) => [4, g] as const) : [[4, 0]]);
  s.call("set the additional groups", "setgroups", [groups.length, list], mayNotSet);
}

/** Capabilities, groups and ids, in the one order in which each may still be done. */
export function takeIdentity(c: Context, process: Process, s: SectionBuilder): void {
  const { user, capabilities } = process;
  if (capabilities) {
    dropBounding(capabilities, s);
    s.call("keep capabilities over the change of user", "prctl", [PR.SET_KEEPCAPS, 1, 0, 0, 0]);
  }
  if (c.spec.annotations?.[KEEP_GROUPS] !== "1") setGroups(c, user, s);
  s.call(`become group ${user.gid}`, "setresgid", [user.gid, user.gid, user.gid]);
  s.call(`become user ${user.uid}`, "setresuid", [user.uid, user.uid, user.uid]);
  if (capabilities) {
    setCapabilities(capabilities, s);
    s.call("keep no capabilities over another change", "prctl", [PR.SET_KEEPCAPS, 0, 0, 0, 0]);
  }
}
