import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { textBlock } from "../program/values.ts";
import type { Context } from "./context.ts";
import type { IdMap } from "./spec.ts";

const lines = (maps: readonly IdMap[]) => maps.map((m) => `${m.containerID} ${m.hostID} ${m.size}\n`).join("");
const HOLE = "\0".repeat(11);

/**
 * The supervisor writes the id maps of its child: only a process outside the new user namespace may map more than
 * its own id (user_namespaces(7)). The child's pid is known when it exists, so the path has a hole for it.
 */
export function writeIdMaps(c: Context, s: SectionBuilder, pid: Slot, maps: Maps = mapsOf(c)): void {
  const write = (file: string, text: string) => {
    const path = textBlock(`/proc/${HOLE}\0`, "path of the child's proc directory");
    s.format(pid, path, 6);
    const directory = s.get("open the child's proc directory", "openat", [AT_FDCWD, path, O.PATH | O.CLOEXEC, 0]);
    const fd = s.get(`open ${file}`, "openat", [directory, file, O.WRONLY | O.CLOEXEC, 0]);
    const block = textBlock(text);
    s.call(`write ${file}: ${text.trim().replaceAll("\n", ", ")}`, "write", [fd, block, block.bytes.length]);
    s.call(`close ${file}`, "close", [fd]);
    s.call("close the child's proc directory", "close", [directory]);
  };
  // Without CAP_SETGID outside, a group map may only be written once setgroups(2) is denied.
  if (c.facts.uid !== 0) write("setgroups", "deny");
  write("uid_map", lines(maps.uid));
  write("gid_map", lines(maps.gid));
}

export type Maps = { readonly uid: readonly IdMap[]; readonly gid: readonly IdMap[] };
export const mapsOf = (c: Context): Maps => ({
  uid: c.spec.linux?.uidMappings ?? [],
  gid: c.spec.linux?.gidMappings ?? [],
});
