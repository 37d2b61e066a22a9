import type { DevicesLimits } from "../cgroups/controllers/devices.ts";
import { attachDeviceFilter } from "../cgroups/device-filter.ts";
import { AT, AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, writeText } from "./context.ts";

const join = (path: string, file: string) => `${path}/${file}`;

export type Groups = {
  readonly join: readonly Slot[];
  readonly born: Slot | undefined;
  readonly made: readonly { readonly path: string; readonly slot: Slot }[];
};

/** Makes the control groups and sets their limits. Returns what a process writes itself to, or is born into. */
export function makeGroups(c: Context, s: SectionBuilder): Groups {
  const fds: Slot[] = [];
  const made: { path: string; slot: Slot }[] = [];
  let born: Slot | undefined;
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
    if (group.unified) {
      born = s.get(`open ${group.path}`, "openat", [AT_FDCWD, group.path, O.PATH | O.DIRECTORY | O.CLOEXEC, 0]);
      if (group.devices) filterDevices(s, group.path, group.devices);
    } else {
      const path = join(group.path, "cgroup.procs");
      fds.push(s.get(`open ${path}`, "openat", [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0]));
    }
  }
  return { join: fds, born, made };
}

/** bpf(2) takes no O_PATH descriptor of a group. */
function filterDevices(s: SectionBuilder, path: string, limits: DevicesLimits): void {
  const fd = s.get(`open ${path} for its device filter`, "openat", [AT_FDCWD, path, O.DIRECTORY | O.CLOEXEC, 0]);
  s.call("close the device filter", "close", [attachDeviceFilter(s, fd, limits)]);
  s.call("close the group", "close", [fd]);
}

/** On v1 a process enters its groups itself, before it is anything: "0" is who writes (cgroups(7)). */
export function enterGroups(s: SectionBuilder, groups: readonly Slot[]): void {
  for (const fd of groups) {
    writeText(s, "enter the control group", fd, "0");
    s.call("close cgroup.procs", "close", [fd]);
  }
}

/** A group stays busy for a moment after its last task has ended. */
const BUSY_RETRIES = 100;

/** Removes the groups that were made, and none that was there before. */
export function removeGroups(s: SectionBuilder, made: Groups["made"]): void {
  for (const { path, slot } of [...made].reverse())
    s.skipIf(slot, "!=", 0, () =>
      s.call(`remove the control group ${path}`, "unlinkat", [AT_FDCWD, path, AT.REMOVEDIR], {
        ignore: "all",
        retries: BUSY_RETRIES,
      }),
    );
}
