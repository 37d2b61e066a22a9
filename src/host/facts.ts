import { readFileSync, statSync } from "node:fs";
import { defaultMaskedPaths, defaultReadonlyPaths, TTY_GROUP } from "../compile/defaults.ts";
import { type Arch, hostArch } from "../kernel/arch.ts";
import { capabilityNames } from "../kernel/capabilities.ts";
import { fsPath } from "../values/bytes.ts";
import { codeOf } from "../values/code-of.ts";
import { exactText } from "./files.ts";
import { idRanges } from "./id-ranges.ts";
import { fileMounts, type HostMount, inSight, isDeleted, parseMountinfo } from "./mountinfo.ts";

/** All that a compile decision may depend on, gathered once, as plain data: so that each can be replayed in a test. */
export type HostFacts = {
  readonly arch: Arch;
  readonly kernel: readonly [major: number, minor: number];
  readonly uid: number;
  readonly gid: number;
  readonly mounts: readonly HostMount[];
  /** The groups that this process is in, by controller; "" is the v2 hierarchy. */
  readonly ownGroups: Readonly<Record<string, string>>;
  /** The capabilities that this process may give to others: its bounding set. capabilities(7). */
  readonly bounding: readonly string[];
  /** Whether this process is in a user namespace that does not have all ids: no device can be made there. */
  readonly userNamespace?: boolean;
  /** What a container needs, this process may not: it has no CAP_SYS_ADMIN, or it is the one user of a namespace. */
  readonly powerless?: boolean;
  /** What kernel files of /proc and /sys are. One that is not listed is not known. */
  readonly kernelFiles: Readonly<Record<string, FileKind>>;
};

export type FileKind = "directory" | "file" | "missing";

/** Every procfs has /proc/sys, unless it shows processes only (subset=pid): then nothing can be concluded from it. */
function kernelFiles(): Record<string, FileKind> {
  if (!statSync("/proc/sys", { throwIfNoEntry: false }) || !statSync("/sys/kernel", { throwIfNoEntry: false }))
    return {};
  const kind = (path: string): FileKind => {
    const stat = statSync(path, { throwIfNoEntry: false });
    return stat === undefined ? "missing" : stat.isDirectory() ? "directory" : "file";
  };
  return Object.fromEntries([...defaultMaskedPaths, ...defaultReadonlyPaths].map((p) => [p, kind(p)]));
}

/** /proc/PID/cgroup: lines of "id:controllers:path" (cgroups(7)). */
export function parseOwnGroups(text: string): Record<string, string> {
  const groups: Record<string, string> = {};
  for (const line of text.trim().split("\n")) {
    const [, controllers = "", ...path] = line.split(":");
    for (const c of controllers.split(",")) groups[c] = path.join(":");
  }
  return groups;
}

/** Whether this is not the machine's own user namespace, which maps all ids to themselves. user_namespaces(7) */
export const inUserNamespace = (): boolean =>
  !/^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "utf8"));

/** One of its sets of capabilities, of /proc/PID/status. */
const capabilityMask = (set: "CapBnd" | "CapEff", status: string): bigint =>
  BigInt(`0x${new RegExp(`^${set}:\\s*([0-9a-f]+)`, "m").exec(status)?.[1] ?? "0"}`);
const isSet = (mask: bigint, n: number): boolean => ((mask >> BigInt(n)) & 1n) === 1n;
const CAP_SYS_ADMIN = capabilityNames.indexOf("CAP_SYS_ADMIN");

/** Whether the group of terminals has a number in this user namespace: one of a single user has not. */
const hasManyIds = (): boolean =>
  idRanges("self", "gid_map").some(([first, , size]) => first <= TTY_GROUP && TTY_GROUP < first + size);

/**
 * What file systems answer that this user may not use (FUSE's are their mounters' alone), or nobody at present: the server
 * of a network's is gone, or the process behind one of FUSE's.
 */
const OUT_OF_REACH = new Set(
  "EACCES EPERM ENOENT ENOTDIR ENOTCONN ECONNABORTED ESTALE EIO EREMOTEIO EHOSTDOWN EHOSTUNREACH ETIMEDOUT".split(" "),
);

function looked(m: HostMount): HostMount {
  try {
    const stat = statSync(fsPath(m.point));
    if (stat.isDirectory()) return m;
    // Only what can be read can be shown without a name.
    return isDeleted(m) && !stat.isFile() ? { ...m, isOutOfReach: true } : { ...m, isFile: true };
  } catch (e) {
    if (OUT_OF_REACH.has(codeOf(e) ?? "")) return { ...m, isOutOfReach: true };
    throw e;
  }
}

/** Mounts that are parts of a view of the host's root are looked at. */
function withKinds(mounts: HostMount[]): HostMount[] {
  const parts = new Set(fileMounts(mounts));
  return mounts.map((m) => (parts.has(m) ? looked(m) : m));
}

const mountsIn = (mountinfo: string): HostMount[] => withKinds(inSight(parseMountinfo(mountinfo)));
const readMountinfo = (): string => exactText("/proc/self/mountinfo");

let known: HostFacts | undefined;
let mountinfo = "";

export function hostFacts(): HostFacts {
  if (known) return known;
  const [major = 0, minor = 0] = readFileSync("/proc/sys/kernel/osrelease", "utf8").split(/[.-]/).map(Number);
  const status = readFileSync("/proc/self/status", "utf8");
  const userNamespace = inUserNamespace();
  const mayAdminister = isSet(capabilityMask("CapEff", status), CAP_SYS_ADMIN);
  const bounding = capabilityMask("CapBnd", status);
  mountinfo = readMountinfo();
  known = {
    arch: hostArch(),
    kernel: [major, minor],
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    mounts: mountsIn(mountinfo),
    bounding: capabilityNames.filter((_, n) => isSet(bounding, n)),
    kernelFiles: kernelFiles(),
    ...(userNamespace && { userNamespace }),
    ...(!(mayAdminister && (!userNamespace || hasManyIds())) && { powerless: true }),
    ownGroups: parseOwnGroups(readFileSync("/proc/self/cgroup", "utf8")),
  };
  return known;
}

/** The same of who may have given up his rights since; and with the mounts that there are now, which come and go. */
export function factsNow(o: { readonly mounts: boolean }): HostFacts {
  if (known && known.uid !== process.geteuid?.()) known = undefined;
  const facts = hostFacts();
  const now = o.mounts ? readMountinfo() : mountinfo;
  if (now === mountinfo) return facts;
  mountinfo = now;
  known = { ...facts, mounts: mountsIn(now) };
  return known;
}

/** What failed may have failed by a mount that does not answer any more, though it is there: all are looked at again. */
export function forgetMounts(): void {
  mountinfo = "";
}

/** Is the kernel at least this version? */
export const kernelAtLeast = (facts: HostFacts, major: number, minor: number): boolean =>
  facts.kernel[0] > major || (facts.kernel[0] === major && facts.kernel[1] >= minor);
