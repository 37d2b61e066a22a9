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
  /** In the order in which they are given: one that is made a slave, and then shared, is both. */
  readonly propagation: readonly number[];
  /** Changes what is mounted there already. */
  readonly remount: boolean;
  /** Ids are shown through a user namespace of the mount's own. mount_setattr(2) "ID-mapped mounts". */
  readonly idmap: "no" | "mount" | "tree";
  /** A new tmpfs begins with what the root filesystem has at its place. */
  readonly copyUp: boolean;
  /** A source that is a link: what it leads to, the link itself, or another link like it (words of crun's: src-nofollow, copy-symlink). */
  readonly sourceLink: "followed" | "itself" | "copied";
  /** A destination that is a link is mounted on itself (crun's dest-nofollow). */
  readonly onLink: boolean;
  /** The words that the file system itself takes. */
  readonly data: readonly string[];
};

const { RDONLY, NOSUID, NODEV, NOEXEC, ATIME, NOATIME, STRICTATIME, NODIRATIME, NOSYMFOLLOW } = MOUNT_ATTR;
const attributes = new Map<string, readonly [set: number, clear: number]>(
  Object.entries({
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
  }),
);
export const propagations = {
  shared: MS.SHARED,
  slave: MS.SLAVE,
  private: MS.PRIVATE,
  unbindable: MS.UNBINDABLE,
} as const;
const propagationOf = new Map<string, number>(Object.entries(propagations));
const ignored = new Set([
  "defaults",
  "silent",
  "loud",
  "nomand",
  "async",
  "nolazytime",
  "iversion",
  "noiversion",
  "auto",
]);
/** Of a file system, not of a mount: a bind mount cannot change them. */
const ofFilesystem = new Set(["sync", "dirsync", "lazytime", "mand"]);

/** Of words for access times one holds, whatever their order, as of flags of mount(2): strictatime, or noatime, or relatime. */
const isOutranked = (word: string, set: number): boolean =>
  (word === "relatime" && (set & ATIME) !== 0) || (word === "noatime" && (set & STRICTATIME) !== 0);

export function mountOptions(mount: Mount): MountOptions {
  let [set, clear, recursiveSet, recursiveClear] = [0, 0, 0, 0];
  let [bind, recursive] = [mount.type === "bind", false];
  let [remount, copyUp, onLink] = [false, false, false];
  let idmap: MountOptions["idmap"] = "no";
  let sourceLink: MountOptions["sourceLink"] = "followed";
  const [data, propagation]: [string[], number[]] = [[], []];
  for (const word of mount.options ?? []) {
    const plain = attributes.get(word);
    const deep = word.startsWith("r") ? attributes.get(word.slice(1)) : undefined;
    const spread = propagationOf.get(word) ?? (word.startsWith("r") ? propagationOf.get(word.slice(1)) : undefined);
    if (word === "bind") bind = true;
    else if (word === "rbind") [bind, recursive] = [true, true];
    else if (word === "remount") remount = true;
    else if (word === "tmpcopyup") copyUp = true;
    else if (word === "src-nofollow") sourceLink = "itself";
    else if (word === "copy-symlink") sourceLink = "copied";
    else if (word === "dest-nofollow") onLink = true;
    else if (word === "idmap") idmap = "mount";
    else if (word === "ridmap") idmap = "tree";
    else if (isOutranked(word, set)) continue;
    else if (plain) {
      set = (set & ~plain[1]) | plain[0];
      clear = (clear & ~plain[0]) | plain[1];
    } else if (deep) {
      recursiveSet = (recursiveSet & ~deep[1]) | deep[0];
      recursiveClear = (recursiveClear & ~deep[0]) | deep[1];
    } else if (spread !== undefined) propagation.push(spread | (propagationOf.has(word) ? 0 : MS.REC));
    else if (!ignored.has(word)) data.push(word);
  }
  if (idmap === "no" && (mount.uidMappings?.length || mount.gidMappings?.length)) idmap = "mount";
  return {
    ...{ set, clear, recursiveSet, recursiveClear, bind, recursive, propagation, remount, copyUp, idmap },
    ...{ sourceLink, onLink },
    data: bind ? data.filter((word) => !ofFilesystem.has(word)) : data,
  };
}
