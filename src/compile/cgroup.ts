import type { DevicesLimits } from "../cgroups/controllers/devices.ts";
import { attachDeviceFilter } from "../cgroups/device-filter.ts";
import { AT, AT_FDCWD, CLONE, O } from "../kernel/flags.ts";
import { CLONE_ARGS_CGROUP, cloneArgs, type SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { textBlock } from "../program/values.ts";
import { type Context, writeText } from "./context.ts";
import type { CgroupPlan } from "./job.ts";
import { rootOf } from "./users.ts";

const join = (path: string, file: string) => `${path}/${file}`;

export type Groups = {
  readonly join: readonly Slot[];
  readonly born: Slot | undefined;
  readonly made: readonly { readonly path: string; readonly slot: Slot }[];
  /** cgroup.procs of the leaf to which a delegated container's first process goes. */
  readonly leaf: Slot | undefined;
};

/** Makes the control groups and sets their limits. Returns what a process writes itself to, or is born into. */
export function makeGroups(c: Context, s: SectionBuilder): Groups {
  const fds: Slot[] = [];
  const made: { path: string; slot: Slot }[] = [];
  let born: Slot | undefined;
  let leaf: Slot | undefined;
  for (const group of c.job.cgroup.groups) {
    for (const parent of group.parents)
      s.call(`make the control group ${parent}`, "mkdirat", [AT_FDCWD, parent, 0o755], { ignore: ["EEXIST"] });
    for (const { path, text } of group.prepare) {
      const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0]);
      writeText(s, `allow ${text} below`, fd, text);
      s.call(`close ${path}`, "close", [fd]);
    }
    if (!group.existing)
      made.push({
        path: group.path,
        slot: s.get(`make the control group ${group.path}`, "mkdirat", [AT_FDCWD, group.path, 0o755]),
      });
    for (const { file, text, ignore, or } of group.writes) {
      const path = join(group.path, file);
      const policy = ignore ? { ignore } : {};
      const fd = s.get(
        `open ${path}`,
        "openat",
        [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0],
        or ? { ignore: ["ENOENT"] } : policy,
      );
      if (or)
        s.skipIf(fd, ">", -1, () =>
          s.call(`open ${or} instead`, "openat", [AT_FDCWD, join(group.path, or), O.WRONLY | O.CLOEXEC, 0], {
            ...policy,
            result: fd,
          }),
        );
      s.skipIf(fd, "<", 0, () => {
        writeText(s, `set ${file} = ${text}`, fd, text, ignore);
        s.call(`close ${file}`, "close", [fd]);
      });
    }
    if (group.devices) filterDevices(s, group.path, group.devices);
    const path = makeInner(c, s, group, made);
    if (group.unified) {
      born = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.PATH | O.DIRECTORY | O.CLOEXEC, 0]);
      if (group.leaf !== undefined) leaf = openProcs(s, join(path, group.leaf));
    } else fds.push(openTasks(s, path));
  }
  return { join: fds, born, made, leaf };
}

/**
 * A process of one thread that moves itself needs no lock of all thread groups (cgroup_procs_write_start): with
 * cgroup.procs it would wait for a grace period of RCU, several milliseconds.
 */
export const openTasks = (s: SectionBuilder, path: string): Slot =>
  s.get(`open ${path}/tasks`, "openat", [AT_FDCWD, join(path, "tasks"), O.WRONLY | O.CLOEXEC, 0]);

export const openProcs = (s: SectionBuilder, path: string): Slot =>
  s.get(`open ${path}/cgroup.procs`, "openat", [AT_FDCWD, join(path, "cgroup.procs"), O.WRONLY | O.CLOEXEC, 0]);

/** The groups within a delegated container's own. Gives the one to be born in. */
function makeInner(
  c: Context,
  s: SectionBuilder,
  group: CgroupPlan["groups"][number],
  made: { path: string; slot: Slot }[],
): string {
  if (group.inner === undefined) return group.path;
  const path = join(group.path, group.inner);
  const make = (p: string) =>
    made.push({ path: p, slot: s.get(`make the control group ${p}`, "mkdirat", [AT_FDCWD, p, 0o755]) });
  // All that the group was given it gives on; on v1 a CPU set begins empty.
  for (const text of new Set(group.prepare.map((p) => p.text)))
    write(s, join(group.path, "cgroup.subtree_control"), text);
  make(path);
  for (const { file, text } of group.writes)
    if (!group.unified && file.startsWith("cpuset.")) write(s, join(path, file), text);
  if (group.leaf !== undefined) make(join(path, group.leaf));
  if (c.job.cgroup.delegated) giveAway(c, s, path, group.leaf);
  return path;
}

function write(s: SectionBuilder, path: string, text: string): void {
  const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0]);
  writeText(s, `write ${text} to ${path}`, fd, text);
  s.call(`close ${path}`, "close", [fd]);
}

/** What the container's root must own to manage it (cgroup-v2 "Model of Delegation"): not the limits. */
function giveAway(c: Context, s: SectionBuilder, path: string, leaf: string | undefined): void {
  const [uid, gid] = [rootOf(c.spec.linux?.uidMappings), rootOf(c.spec.linux?.gidMappings)];
  if (uid === undefined || gid === undefined) return;
  // v1 has tasks instead of threads, and no subtree_control.
  const control = ["", "/cgroup.procs", "/cgroup.threads", "/cgroup.subtree_control", "/tasks"];
  for (const group of [path, ...(leaf === undefined ? [] : [join(path, leaf)])])
    for (const file of control)
      s.call(`give ${group}${file} to the container`, "fchownat", [AT_FDCWD, `${group}${file}`, uid, gid, 0], {
        ignore: ["ENOENT"],
      });
}

/** bpf(2) takes no O_PATH descriptor of a group. */
function filterDevices(s: SectionBuilder, path: string, limits: DevicesLimits): void {
  const fd = s.get(`open ${path} for its device filter`, "openat", [AT_FDCWD, path, O.DIRECTORY | O.CLOEXEC, 0]);
  s.call("close the device filter", "close", [attachDeviceFilter(s, fd, limits)]);
  s.call("close the group", "close", [fd]);
}

/** Where another process of a container is to be: on v2 it is born there, which needs no lock of all thread groups. */
export function openGroups(
  s: SectionBuilder,
  groups: CgroupPlan["groups"],
): { readonly join: readonly Slot[]; readonly born: Slot | undefined } {
  const v2 = groups.find((g) => g.unified);
  const flags = O.PATH | O.DIRECTORY | O.CLOEXEC;
  return {
    join: groups.filter((g) => g !== v2).map(({ path }) => openTasks(s, path)),
    born: v2 && s.get(`open ${v2.path}`, "openat", [AT_FDCWD, v2.path, flags, 0]),
  };
}

/**
 * Starts the one that enters a container, in the group already: in the container's cgroup namespace neither its own
 * group nor a way out of it would be to be seen (mount option nsdelegate: ENOENT). What it starts is born there too.
 */
export function spawnInGroup(s: SectionBuilder, label: string, section: SectionBuilder, born: Slot | undefined): Slot {
  const args = cloneArgs({ flags: born ? CLONE.INTO_CGROUP : 0n });
  if (born) s.store(born, args, CLONE_ARGS_CGROUP, 8);
  return s.spawn(label, section, args);
}

/** Before anything else is written to its section. */
export function spawnSupervisor({ job }: Context, s: SectionBuilder, supervisor: SectionBuilder): Slot {
  const label = "start the supervisor";
  const path = job.supervisorGroup;
  if (path === undefined) return s.spawn(label, supervisor);
  const group = s.get("open the group of what is detached", "openat", [
    AT_FDCWD,
    path,
    O.PATH | O.DIRECTORY | O.CLOEXEC,
    0,
  ]);
  supervisor.call("close the group", "close", [group]);
  const pid = spawnInGroup(s, label, supervisor, group);
  s.call("close the group", "close", [group]);
  return pid;
}

/** clone3(2) of a sibling of the caller's. */
export const spawnSibling = (s: SectionBuilder, label: string, section: SectionBuilder): Slot =>
  s.spawn(label, section, cloneArgs({ flags: BigInt(CLONE.PARENT) }));

/** On v1 a process enters its groups itself, before it is anything: "0" is who writes (cgroups(7)). */
export function enterGroups(s: SectionBuilder, groups: readonly Slot[]): void {
  for (const fd of groups) {
    writeText(s, "enter the control group", fd, "0");
    s.call("close the file", "close", [fd]);
  }
}

/** Ends what is left in the groups, so that they can go: cgroup.kill, where there is one. */
export function endRest(s: SectionBuilder, plan: CgroupPlan): void {
  for (const g of plan.groups) {
    if (!g.unified || g.existing) continue;
    const path = `${g.path}/cgroup.kill`;
    const fd = s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0], { ignore: "all" });
    const one = textBlock("1");
    s.call("end what is left in the group", "write", [fd, one, 1], { ignore: "all" });
    s.call(`close ${path}`, "close", [fd], { ignore: "all" });
  }
}

/** A group stays busy until what was killed in it has ended, and its memory is free: 5.5 s at most. */
export const BUSY_RETRIES = 255;

/**
 * Removes the groups that were made, and none that was there before. Those of a delegated container may have others in
 * them, which whoever finds its state removes.
 */
export function removeGroups(s: SectionBuilder, made: Groups["made"], delegated = false): void {
  for (const { path, slot } of [...made].reverse())
    s.skipIf(slot, "!=", 0, () =>
      s.call(`remove the control group ${path}`, "unlinkat", [AT_FDCWD, path, AT.REMOVEDIR], {
        ignore: "all",
        ...(!delegated && { retries: BUSY_RETRIES }),
      }),
    );
}
