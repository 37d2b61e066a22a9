import { attach, cloneTree, newFilesystem, setAttributes } from "../../compile/mounts.ts";
import type { Spec } from "../../compile/spec.ts";
import { MNT_DETACH, MOUNT_ATTR, O } from "../../kernel/flags.ts";
import type { SyscallCall, SyscallHandlers, SyscallReply } from "../../seccomp/notify/call.ts";
import { absolutePath, onCallersRoot, openAsCaller } from "./caller.ts";

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
      const copy = cloneTree(s, `open ${from}`, tree, "", (flags & MS.REC) !== 0);
      setAttributes(s, `options of ${where}`, copy, { set: attributes(flags), recursive: (flags & MS.REC) !== 0 });
      attach(s, `bind ${from} on ${where}`, copy, point);
    });
  }
  const kind = await text(type);
  const options = parameters(kind, await text(data));
  if (!options) return { errno: "EPERM" };
  return onCallersRoot(call, (s, root, enter) => {
    const point = openAsCaller(s, root, where, O.PATH);
    enter();
    const made = newFilesystem(s, kind, [["source", kind], ...options], attributes(flags));
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
