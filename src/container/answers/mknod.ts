import { statSync } from "node:fs";
import { defaultDevices } from "../../compile/devices.ts";
import { attach, cloneTree } from "../../compile/mounts.ts";
import type { Device, Spec } from "../../compile/spec.ts";
import { rootOf } from "../../compile/users.ts";
import { AT, AT_FDCWD, O, S_IF } from "../../kernel/flags.ts";
import type { SyscallCall, SyscallHandlers, SyscallReply } from "../../seccomp/notify/call.ts";
import { absolutePath, identityOf, onCallersRoot, openAsCaller, split } from "./caller.ts";

const S_IFMT = 0o170000;
const PERMISSIONS = 0o7777;

/** makedev(3) in the kernel's own form, as mknod(2) takes it. */
const numbersOf = (dev: number) => ({ major: (dev >> 8) & 0xfff, minor: (dev & 0xff) | ((dev >>> 12) & 0xfff00) });

function deviceOf(spec: Spec, mode: number, dev: number): Device | undefined {
  const { major, minor } = numbersOf(dev);
  const type = (mode & S_IFMT) === S_IF.CHR ? "c" : "b";
  const known = [...defaultDevices, ...(spec.linux?.devices ?? [])];
  return known.find((d) => (d.type === "u" ? "c" : d.type) === type && d.major === major && d.minor === minor);
}

/** Whether what has its path on this machine is it. */
function isNode({ path, major, minor }: Device): boolean {
  const stat = statSync(path, { throwIfNoEntry: false });
  const found = stat && numbersOf(stat.rdev);
  return found !== undefined && found.major === major && found.minor === minor;
}

/**
 * mknod of a device that the container has: package managers and archives make theirs anew. In a user namespace a node
 * could not be opened, so the host's own is bound in its place; else it is made. All other devices are refused.
 */
async function make(call: SyscallCall, spec: Spec, path: string, mode: number, dev: number): Promise<SyscallReply> {
  const format = mode & S_IFMT;
  const device = deviceOf(spec, mode, dev);
  if (!device) return { errno: "EPERM" };
  const { uid, gid, umask } = identityOf(call.pid);
  // As the kernel has it: for the root of a container only.
  if (uid !== (rootOf(spec.linux?.uidMappings) ?? 0)) return { errno: "EPERM" };
  const [parent, name] = split(path);
  if (name === "" || name === "." || name === "..") return { errno: "EEXIST" };
  const mapped = spec.linux?.namespaces?.some((n) => n.type === "user") === true;
  const permissions = mode & PERMISSIONS & ~umask;
  // Its path may be another one on this machine.
  if (mapped && !isNode(device)) return { errno: "EPERM" };
  const { reply } = await onCallersRoot(call, (s, root, enter) => {
    const directory = openAsCaller(s, root, parent, O.PATH | O.DIRECTORY);
    if (!mapped) {
      s.call(`make ${path}`, "mknodat", [directory, name, format | permissions, dev]);
      s.call(`owner of ${path}`, "fchownat", [directory, name, uid, gid, AT.SYMLINK_NOFOLLOW]);
      return undefined;
    }
    const node = cloneTree(s, `open the host's ${device.path}`, AT_FDCWD, device.path);
    // In the container's file systems the host's ids have no meaning: the file is made as who calls.
    s.call("be of the caller's group", "setfsgid", [gid]);
    s.call("be the caller", "setfsuid", [uid]);
    s.call(`make ${path}`, "mknodat", [directory, name, S_IF.REG | permissions, 0]);
    const file = s.get(`open ${path}`, "openat", [directory, name, O.PATH | O.NOFOLLOW | O.CLOEXEC, 0]);
    enter();
    attach(s, `bind the host's ${device.path} on ${path}`, node, file);
    return undefined;
  });
  return reply;
}

export const mknodHandlers = (spec: () => Spec): SyscallHandlers => ({
  mknod: async (call) => {
    const [path = 0n, mode = 0n, dev = 0n] = call.args;
    const format = Number(mode) & S_IFMT;
    if (format !== S_IF.CHR && format !== S_IF.BLK) return "continue";
    const text = await call.readString(path);
    return make(call, spec(), absolutePath(call.pid, text), Number(mode), Number(dev));
  },
  mknodat: async (call) => {
    const [dirfd = 0n, path = 0n, mode = 0n, dev = 0n] = call.args;
    const format = Number(mode) & S_IFMT;
    // Only numbers are looked at: whatever the path is, it makes no device.
    if (format !== S_IF.CHR && format !== S_IF.BLK) return "continue";
    const text = await call.readString(path);
    return make(call, spec(), absolutePath(call.pid, text, dirfd), Number(mode), Number(dev));
  },
});
