import { attach, cloneTree, newFilesystem, setAttributes } from "../../compile/mounts.ts";
import type { Spec } from "../../compile/spec.ts";
import { mountIdOf } from "../../compile/statx.ts";
import { hostId } from "../../compile/users.ts";
import { errno } from "../../kernel/errno.ts";
import {
  FSCONFIG,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MNT_DETACH,
  MOUNT_ATTR,
  O,
  UMOUNT_NOFOLLOW,
} from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import { type Loose, textBlock } from "../../program/values.ts";
import type { SyscallCall, SyscallHandlers, SyscallReply } from "../../seccomp/notify/call.ts";
import { absolutePath, identityOf, onCallersRoot, openAsCaller, split } from "./caller.ts";
import { overlayOf } from "./overlay.ts";

/** mount(2): linux/mount.h */
const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  REMOUNT: 32,
  BIND: 4096,
  MOVE: 8192,
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

type Answered = Awaited<ReturnType<typeof onCallersRoot>>;
const refused: Answered = { reply: { errno: "EPERM" } };

/** Puts it in its place, and tells which one it is. */
function place(s: SectionBuilder, what: string, mount: Loose, point: Loose): Slot {
  attach(s, what, mount, point);
  return mountIdOf(s, "which mount is it?", mount, "unique");
}

/**
 * Mounts that show nothing which the caller could not see before: memory, an overlay of its own directories, and binds
 * of them. Always without devices and set-user-ID.
 */
async function mount(call: SyscallCall, where: string): Promise<Answered> {
  const [source = 0n, , type = 0n, flagWord = 0n, data = 0n] = call.args;
  const flags = Number(flagWord & 0xffffffffn);
  const text = async (address: bigint, limit?: number) => (address === 0n ? "" : call.readString(address, limit));
  // A change of what is there already could take away what protects it.
  if (flags & (MS.REMOUNT | MS.MOVE | MS.PROPAGATION)) return refused;
  if (flags & MS.BIND) {
    const from = absolutePath(call.pid, await text(source));
    return onCallersRoot(call, (s, root, enter) => {
      const [tree, point] = [openAsCaller(s, root, from, O.PATH), openAsCaller(s, root, where, O.PATH)];
      enter();
      // With all that is mounted on it, whether that was asked for or not: masks of /proc are, and its read-only parts.
      const copy = cloneTree(s, `open ${from}`, tree, "", { recursive: true });
      setAttributes(s, `options of ${where}`, copy, { set: attributes(flags), recursive: true });
      return place(s, `bind ${from} on ${where}`, copy, point);
    });
  }
  const kind = await text(type);
  if (kind === "fuse" || kind.startsWith("fuse.")) return mountFuse(call, where, kind, await text(data), flags);
  const options = parameters(kind, await text(data));
  const overlay = options && kind === "overlay" ? overlayOf(call.pid, options) : undefined;
  if (!options || (kind === "overlay" && !overlay)) return refused;
  return onCallersRoot(call, (s, root, enter) => {
    const point = openAsCaller(s, root, where, O.PATH);
    if (overlay) return place(s, `mount ${kind} on ${where}`, overlay(s, root, enter, attributes(flags)), point);
    enter();
    const made = newFilesystem(s, kind, [["source", kind], ...options], attributes(flags));
    return place(s, `mount ${kind} on ${where}`, made, point);
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
): Promise<Answered> {
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
    return { reply: { errno: "EINVAL" } };
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
    return place(s, `mount ${kind} on ${where}`, made, point);
  });
}

/**
 * Only what was mounted for this container: nothing that protects it can be taken away. A path may lead to another mount by now,
 * so it is known by its number; and what is mounted in an open directory stays there until it is unmounted. What is in it is
 * not entered: a file system of the caller's might not answer.
 */
async function unmount(call: SyscallCall, where: string, own: bigint): Promise<Answered> {
  const [parent, name] = split(where);
  if (name === "") return refused;
  return onCallersRoot(call, (s, root, enter) => {
    const above = openAsCaller(s, root, parent, O.PATH | O.DIRECTORY);
    const point = s.get(`open ${where}`, "openat", [above, name, O.PATH | O.NOFOLLOW | O.CLOEXEC, 0]);
    s.skipIf(mountIdOf(s, "which mount is it?", point, "unique"), "==", own, () =>
      s.fail(`find what was mounted on ${where}`, errno("EPERM")),
    );
    enter();
    s.call(`go to ${parent}`, "fchdir", [above]);
    s.call(`unmount ${where}`, "umount2", [name, MNT_DETACH | UMOUNT_NOFOLLOW]);
    return undefined;
  });
}

/** As the kernel has it, for root; and for whom the operator lets the container be, and gives this to. */
function isMeant(spec: Spec, pid: number): boolean {
  const { uid } = identityOf(pid);
  const maps = spec.linux?.uidMappings;
  return [0, spec.process?.user.uid ?? 0].some((id) => (maps ? hostId(maps, id) : id) === uid);
}

export const mountHandlers = (spec: () => Spec): SyscallHandlers => {
  const own = new Map<string, bigint[]>();
  // One at a time: what one finds out about the mounts is to hold until it is done.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (perform: () => Promise<SyscallReply>): Promise<SyscallReply> => {
    const next = last.then(perform);
    last = next.catch(() => {});
    return next;
  };
  return {
    mount: (call) =>
      inTurn(async () => {
        if (!isMeant(spec(), call.pid)) return { errno: "EPERM" };
        const where = absolutePath(call.pid, await call.readString(call.args[1] ?? 0n));
        const { reply, made } = await mount(call, where);
        if (made) own.set(where, [...(own.get(where) ?? []), made]);
        return reply;
      }),
    umount2: (call) =>
      inTurn(async () => {
        const where = absolutePath(call.pid, await call.readString(call.args[0] ?? 0n));
        const made = own.get(where) ?? [];
        const [newest] = made.slice(-1);
        if (newest === undefined || !isMeant(spec(), call.pid)) return { errno: "EPERM" };
        const { reply } = await unmount(call, where, newest);
        if (typeof reply === "object" && "value" in reply) made.pop();
        return reply;
      }),
  };
};
