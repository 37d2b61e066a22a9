import { chownSync, existsSync } from "node:fs";
import { InvalidOptionError } from "../values/errors.ts";
import { isDirectory, readOptional } from "./files.ts";
import { hierarchies, type Layout } from "./layout.ts";

export type Owner = { readonly uid: number; readonly gid?: number };

/** What a user must own to make groups below and move processes among them. cgroup-v2 "Model of Delegation". */
const fallback = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control", "memory.oom.group"];
const v1Files = ["cgroup.procs", "tasks"];

/**
 * Gives a group to a user, who may then divide its limits but not raise them. On v1 the limits' own files stay root's
 * as well; the kernel's documents advise against giving v1 groups to those whom root does not trust.
 */
export function delegateGroup(layout: Layout, path: string, { uid, gid = uid }: Owner): void {
  for (const [field, id] of Object.entries({ uid, gid }))
    if (!Number.isInteger(id) || id < 0 || id > 0xfffffffe)
      throw new InvalidOptionError(field, id, "a user or group id");
  const listed = readOptional("/sys/kernel/cgroup/delegate")?.trim().split("\n") ?? fallback;
  for (const h of hierarchies(layout)) {
    const directory = h.top + path;
    if (!isDirectory(directory)) continue;
    chownSync(directory, uid, gid);
    for (const file of h.version === "v2" ? listed : v1Files)
      if (existsSync(`${directory}/${file}`)) chownSync(`${directory}/${file}`, uid, gid);
  }
}
