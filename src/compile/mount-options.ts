import { MOUNT_ATTR, MS } from "../kernel/flags.ts";
import type { Mount } from "./spec.ts";

/** Mount options by their words (OCI config.md "Linux mount options"; mount(8)), sorted by what applies them. */
export type MountOptions = {
  readonly set: number;
  readonly clear: number;
  readonly recursiveSet: number;
  readonly recursiveClear: number;
  readonly bind: boolean;
  readonly recursive: boolean;
  readonly propagation: number;
  /** The words that the file system itself takes. */
  readonly data: readonly string[];
};

const { RDONLY, NOSUID, NODEV, NOEXEC, ATIME, NOATIME, STRICTATIME, NODIRATIME, NOSYMFOLLOW } = MOUNT_ATTR;
const attributes: Record<string, [set: number, clear: number]> = {
  ro: [RDONLY, 0],
  rw: [0, RDONLY],
  nosuid: [NOSUID, 0],
  suid: [0, NOSUID],
  nodev: [NODEV, 0],
  dev: [0, NODEV],
  noexec: [NOEXEC, 0],
  exec: [0, NOEXEC],
  noatime: [NOATIME, ATIME],
  atime: [0, ATIME],
  relatime: [0, ATIME],
  norelatime: [0, ATIME],
  strictatime: [STRICTATIME, ATIME],
  nostrictatime: [0, ATIME],
  nodiratime: [NODIRATIME, 0],
  diratime: [0, NODIRATIME],
  nosymfollow: [NOSYMFOLLOW, 0],
  symfollow: [0, NOSYMFOLLOW],
};
const propagations: Record<string, number> = {
  shared: MS.SHARED,
  slave: MS.SLAVE,
  private: MS.PRIVATE,
  unbindable: MS.UNBINDABLE,
};
const ignored = new Set([
  "defaults",
  "async",
  "sync",
  "dirsync",
  "mand",
  "nomand",
  "lazytime",
  "nolazytime",
  "silent",
  "loud",
]);

export function mountOptions(mount: Mount): MountOptions {
  let [set, clear, recursiveSet, recursiveClear, propagation] = [0, 0, 0, 0, 0];
  let [bind, recursive] = [mount.type === "bind", false];
  const data: string[] = [];
  for (const word of mount.options ?? []) {
    const plain = attributes[word];
    const deep = word.startsWith("r") ? attributes[word.slice(1)] : undefined;
    const spread = propagations[word] ?? (word.startsWith("r") ? propagations[word.slice(1)] : undefined);
    if (word === "bind") bind = true;
    else if (word === "rbind") [bind, recursive] = [true, true];
    else if (plain) {
      set = (set & ~plain[1]) | plain[0];
      clear = (clear & ~plain[0]) | plain[1];
    } else if (deep) {
      recursiveSet = (recursiveSet & ~deep[1]) | deep[0];
      recursiveClear = (recursiveClear & ~deep[0]) | deep[1];
    } else if (spread !== undefined) propagation = spread | (propagations[word] ? 0 : MS.REC);
    else if (!ignored.has(word)) data.push(word);
  }
  return { set, clear, recursiveSet, recursiveClear, bind, recursive, propagation, data };
}
