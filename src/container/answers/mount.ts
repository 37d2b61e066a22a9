import { attach, cloneTree, newFilesystem, setAttributes } from "../../compile/mounts.ts";
import type { Spec } from "../../compile/spec.ts";
import { FSCONFIG, FSMOUNT_CLOEXEC, FSOPEN_CLOEXEC, MNT_DETACH, MOUNT_ATTR, O } from "../../kernel/flags.ts";
import { textBlock } from "../../program/values.ts";
import type { SyscallCall, SyscallHandlers, SyscallReply } from "../../seccomp/notify/call.ts";
import { absolutePath, identityOf, onCallersRoot, openAsCaller } from "./caller.ts";

/** mount(2): linux/mount.h */
const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  MOVE: 8192,
  REC: 16384,
  PROPAGATION: 0x1e0000,
} as const;
const SAFE = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV;

const attributes = (flags: number) =>
  SAFE | (flags & MS.RDONLY ? MOUNT_ATTR.RDONLY : 0) | (flags & MS.NOEXEC ? MOUNT_ATTR.NOEXEC : 0);

/** What may be said of each file system; another word refuses the mount. */
const words: Readonly<Record<string, RegExp>> = {
  tmpfs: /^(size|nr_blocks|nr_inodes|mode|uid|gid)=[\w.%]+$/,
  overlay: /^(lowerdir|upperdir|workdir|redirect_dir|index|metacopy|xino)=[^,\0]*$|^(userxattr|volatile)$/,
};

function parameters(type: string, data: string): [string, string?][] | undefined {
  const word = Object.hasOwn(words, type) ? words[type] : undefined;
  const list = data.split(",").filter(Boolean);
  // A file system that is not named above is none of the caller's: a procfs would be the host's.
  if (!word || list.some((w) => !word.test(w))) return undefined;
  return list.map((w) => {
    const at = w.indexOf("=");
    return at < 0 ? [w] : [w.slice(0, at), w.slice(at + 1)];
  });
}

/**
 * Mounts that show nothing which the caller could not see before: memory, an overlay of its own directories, and binds
 * of them. Always without devices and set-user-ID.
 */
async function mount(call: SyscallCall, where: string): Promise<SyscallReply> {
  const [source = 0n, , type = 0n, flagWord = 0n, data = 0n] = call.args;
  const flags = Number(flagWord & 0xffffffffn);
  const text = async (address: bigint, limit?: number) => (address === 0n ? "" : call.readString(address, limit));
  // A change of what is there already could take away what protects it.
  if (flags & (MS.REMOUNT | MS.MOVE | MS.PROPAGATION)) return { errno: "EPERM" };
  if (flags & MS.BIND) {
    const from = absolutePath(call.pid, await text(source));
    return onCallersRoot(call, (s, root, enter) => {
      const [tree, point] = [openAsCaller(s, root, from, O.PATH), openAsCaller(s, root, where, O.PATH)];
      enter();
      const copy = cloneTree(s, `open ${from}`, tree, "", { recursive: (flags & MS.REC) !== 0 });
      setAttributes(s, `options of ${where}`, copy, { set: attributes(flags), recursive: (flags & MS.REC) !== 0 });
      attach(s, `bind ${from} on ${where}`, copy, point);
    });
  }
  const kind = await text(type);
  if (kind === "fuse" || kind.startsWith("fuse.")) return mountFuse(call, where, kind, await text(data), flags);
  const options = parameters(kind, await text(data));
  if (!options) return { errno: "EPERM" };
  return onCallersRoot(call, (s, root, enter) => {
    const point = openAsCaller(s, root, where, O.PATH);
    enter();
    const made = newFilesystem(s, kind, [["source", kind], ...options], attributes(flags));
    attach(s, `mount ${kind} on ${where}`, made, point);
  });
}

/**
 * A file system whose files the caller makes up: the connection is a descriptor of his, /dev/fuse, which is taken from
 * him. Only who mounts it sees it, unless he says allow_other: in his container there is nobody else to trick.
 */
async function mountFuse(
  call: SyscallCall,
  where: string,
  kind: string,
  data: string,
  flags: number,
): Promise<SyscallReply> {
  const words = data
    .split(",")
    .filter(Boolean)
    .map((w) => w.split("="));
  const given = new Map(words.map(([key = "", value = ""]) => [key, value]));
  const { uid, gid, process } = identityOf(call.pid);
  const fd = Number(given.get("fd"));
  const mode = given.get("rootmode") ?? "";
  const known = ["fd", "rootmode", "user_id", "group_id", "allow_other", "default_permissions", "max_read", "blksize"];
  if (!Number.isInteger(fd) || !/^[0-7]+$/.test(mode) || [...given.keys()].some((k) => !known.includes(k)))
    return { errno: "EINVAL" };
  return onCallersRoot(call, (s, root, enter) => {
    const point = openAsCaller(s, root, where, O.PATH);
    const caller = s.get("find the caller", "pidfd_open", [process, 0]);
    const connection = s.get("take his connection", "pidfd_getfd", [caller, fd, 0]);
    enter();
    const fs = s.get("open a fuse file system", "fsopen", [kind.split(".")[0] ?? "fuse", FSOPEN_CLOEXEC]);
    const number = textBlock("\0".repeat(24), "number of the connection");
    s.format(connection, number, 0);
    s.call("set fd of fuse", "fsconfig", [fs, FSCONFIG.SET_STRING, "fd", number, 0]);
    const set = (key: string, value: string) =>
      s.call(`set ${key}=${value} of fuse`, "fsconfig", [fs, FSCONFIG.SET_STRING, key, value, 0]);
    set("source", "fuse");
    set("rootmode", mode);
    set("user_id", String(uid));
    set("group_id", String(gid));
    for (const flag of ["allow_other", "default_permissions"])
      if (given.has(flag)) s.call(`set ${flag} of fuse`, "fsconfig", [fs, FSCONFIG.SET_FLAG, flag, 0, 0]);
    s.call("create the fuse file system", "fsconfig", [fs, FSCONFIG.CMD_CREATE, 0, 0, 0]);
    const made = s.get("mount fuse", "fsmount", [fs, FSMOUNT_CLOEXEC, attributes(flags)]);
    attach(s, `mount ${kind} on ${where}`, made, point);
  });
}

/** Only what was mounted for this container: nothing that protects it can be taken away. */
async function unmount(call: SyscallCall, where: string): Promise<SyscallReply> {
  return onCallersRoot(call, (s, root, enter) => {
    const point = openAsCaller(s, root, where, O.PATH | O.DIRECTORY);
    enter();
    s.call("go to the mount", "fchdir", [point]);
    s.call(`unmount ${where}`, "umount2", [".", MNT_DETACH]);
  });
}

export const mountHandlers = (_spec: () => Spec): SyscallHandlers => {
  const own = new Set<string>();
  return {
    mount: async (call) => {
      const where = absolutePath(call.pid, await call.readString(call.args[1] ?? 0n));
      const reply = await mount(call, where);
      if (typeof reply === "object" && "value" in reply) own.add(where);
      return reply;
    },
    umount2: async (call) => {
      const where = absolutePath(call.pid, await call.readString(call.args[0] ?? 0n));
      return own.delete(where) ? unmount(call, where) : { errno: "EPERM" };
    },
  };
};
