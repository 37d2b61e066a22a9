import { AT_FDCWD, makedev, O, S_IF } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Slot } from "../program/types.ts";
import { type Context, namespaceOf, openInRoot } from "./context.ts";
import { mountOptions } from "./mount-options.ts";
import { attach, cloneTree, isMounted, mountPoint } from "./mounts.ts";
import type { Device } from "./spec.ts";

/** The devices that every container has (OCI config-linux.md "Default Devices"). */
export const defaultDevices: readonly Device[] = [
  { path: "/dev/null", type: "c", major: 1, minor: 3 },
  { path: "/dev/zero", type: "c", major: 1, minor: 5 },
  { path: "/dev/full", type: "c", major: 1, minor: 7 },
  { path: "/dev/random", type: "c", major: 1, minor: 8 },
  { path: "/dev/urandom", type: "c", major: 1, minor: 9 },
  { path: "/dev/tty", type: "c", major: 5, minor: 0 },
];

const links = [
  ["/proc/self/fd", "fd"],
  ["/proc/self/fd/0", "stdin"],
  ["/proc/self/fd/1", "stdout"],
  ["/proc/self/fd/2", "stderr"],
  ["/proc/kcore", "core"],
  ["pts/ptmx", "ptmx"],
] as const;

export const nodeFormats: Record<Device["type"], number> = { c: S_IF.CHR, u: S_IF.CHR, b: S_IF.BLK, p: S_IF.FIFO };

/** In a user namespace, and without CAP_MKNOD, mknod(2) of a device is refused: there the host's own nodes are bound. */
const bindsNodes = (c: Context) =>
  namespaceOf(c.spec, "user") !== undefined ||
  c.facts.uid !== 0 ||
  c.facts.userNamespace === true ||
  !c.facts.bounding.includes("CAP_MKNOD");

const allDevices = (c: Context): readonly Device[] => {
  const own = c.spec.linux?.devices ?? [];
  return [...defaultDevices.filter((d) => !own.some((o) => o.path === d.path)), ...own];
};

/** A /dev that is the host's, or somebody else's, is left as it is. */
const hasDev = (c: Context) => !c.spec.mounts?.some((m) => m.destination === "/dev" && mountOptions(m).bind);
/** In a /dev of the root filesystem itself nodes may be already. */
const mayBeThere = (c: Context) => (isMounted(c.spec, "/dev") ? {} : { ignore: ["EEXIST"] });

/** Opens the host's nodes while they can still be reached. `made`: those that need not be, since there are others for them. */
export function openDevices(
  c: Context,
  s: SectionBuilder,
  made: ReadonlyMap<Device, Slot> = new Map(),
): ReadonlyMap<Device, Slot> {
  const opened = new Map(made);
  if (hasDev(c) && bindsNodes(c))
    for (const d of allDevices(c)) {
      if (d.type === "p" || opened.has(d)) continue;
      const source = c.job.deviceSources?.[d.path] ?? d.path;
      opened.set(d, cloneTree(s, `open the host's ${source}`, AT_FDCWD, source));
    }
  return opened;
}

export function addDevices(c: Context, s: SectionBuilder, root: Slot, nodes: ReadonlyMap<Device, Slot>): void {
  if (!hasDev(c)) return;
  const dev = isMounted(c.spec, "/dev")
    ? openInRoot(s, root, "/dev", O.PATH | O.DIRECTORY)
    : mountPoint(s, root, "/dev", { directory: true });
  for (const device of allDevices(c)) {
    const node = nodes.get(device);
    if (node !== undefined) {
      const point = mountPoint(s, root, device.path, { directory: false });
      attach(s, `bind a node on ${device.path}`, node, point);
      s.call(`close ${device.path}`, "close", [point]);
      s.call(`close the node for ${device.path}`, "close", [node]);
      continue;
    }
    const direct = /^\/dev\/[^/]+$/.test(device.path);
    const name = device.path.slice(device.path.lastIndexOf("/") + 1);
    const parent = direct
      ? dev
      : mountPoint(s, root, device.path.slice(0, -name.length - 1) || "/", { directory: true });
    const number = makedev(device.major ?? 0, device.minor ?? 0);
    const mode = nodeFormats[device.type] | (device.fileMode ?? 0o666);
    s.call(`make ${device.path}`, "mknodat", [parent, name, mode, number], mayBeThere(c));
    if (device.uid || device.gid)
      s.call(`owner of ${device.path}`, "fchownat", [parent, name, device.uid ?? 0, device.gid ?? 0, 0]);
    if (!direct) s.call(`close the parent of ${device.path}`, "close", [parent]);
  }
  for (const [target, name] of links)
    s.call(`make /dev/${name}`, "symlinkat", [target, dev, name], { ignore: ["EEXIST"] });
  s.call("close /dev", "close", [dev]);
}
