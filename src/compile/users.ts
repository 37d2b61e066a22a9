import { O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { addressOf, into, low, stringArray, textBlock } from "../program/values.ts";
import { openProc } from "./child.ts";
import type { Context } from "./context.ts";
import { resetSignals } from "./signals.ts";
import type { IdMap } from "./spec.ts";

const lines = (maps: readonly IdMap[]) => maps.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join("");

/**
 * The supervisor writes the id maps of its child: only a process outside the new user namespace may map more than
 * its own id (user_namespaces(7)).
 */
export function writeIdMaps(c: Context, s: SectionBuilder, pid: Slot, maps: Maps = mapsOf(c)): void {
  const write = (file: string, text: string) => {
    const directory = openProc(s, pid, "the child's");
    const fd = s.get(`open ${file}`, "openat", [directory, file, O.WRONLY | O.CLOEXEC, 0]);
    const block = textBlock(text);
    s.call(`write ${file}: ${text.trim().replaceAll("\n", ", ")}`, "write", [fd, block, block.bytes.length]);
    s.call(`close ${file}`, "close", [fd]);
    s.call("close the child's proc directory", "close", [directory]);
  };
  if (c.facts.uid !== 0 && (maps.uid.length > 1 || maps.gid.length > 1)) {
    for (const kind of ["uid", "gid"] as const) mapByHelper(s, kind, pid, maps[kind]);
    return;
  }
  // Without CAP_SETGID outside, a group map may only be written once setgroups(2) is denied.
  if (c.facts.uid !== 0) write("setgroups", "deny");
  write("uid_map", lines(maps.uid));
  write("gid_map", lines(maps.gid));
}

/** newuidmap(1) and newgidmap(1): set-user-ID programs that check a map against /etc/subuid and /etc/subgid. */
function mapByHelper(s: SectionBuilder, kind: "uid" | "gid", pid: Slot, maps: readonly IdMap[]): void {
  const path = `/usr/bin/new${kind}map`;
  const section = s.program.section(`new${kind}map`);
  const helper = s.spawn(`start ${path}`, section);
  const number = textBlock("\0".repeat(24), "pid of the child");
  section.format(pid, number, 0);
  const words = [path, "PID", ...maps.flatMap((m) => [m.containerID, m.hostID, m.size].map(String))];
  resetSignals(section);
  const argv = stringArray("argv", words);
  const pointers = argv.pointers.map((p, i) => (i === 1 ? { at: p.at, to: into(number) } : p));
  section.call(`execute ${path}`, "execve", [path, { ...argv, pointers }, stringArray("envp", [])]);
  const status = s.program.slot(`status of new${kind}map`);
  s.let(status, 0);
  s.call(`wait for ${path}`, "wait4", [helper, addressOf(status), 0, 0]);
  s.check(`was ${path} executed?`);
  s.skipIf(low(status), "==", 0, () => s.fail(`map ids by ${path}`, EPERM));
}
const EPERM = 1;

export type Maps = { readonly uid: readonly IdMap[]; readonly gid: readonly IdMap[] };
export const mapsOf = (c: Context): Maps => ({
  uid: c.spec.linux?.uidMappings ?? [],
  gid: c.spec.linux?.gidMappings ?? [],
});

/** The container's root as the host has it, where ids are mapped and root is one of them. */
export const rootOf = (maps: readonly IdMap[] | undefined): number | undefined =>
  maps?.find((m) => m.containerID === 0)?.hostID;

/** An id of the container's as the host has it; one that is not mapped is nobody's there. */
export function hostId(maps: readonly IdMap[], id: number): number {
  const map = maps.find((m) => id >= m.containerID && id < m.containerID + m.size);
  return map ? map.hostID + id - map.containerID : OVERFLOW;
}
/** /proc/sys/kernel/overflowuid */
const OVERFLOW = 65_534;
