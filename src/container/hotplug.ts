import { lstatSync } from "node:fs";
import { openInRoot } from "../compile/context.ts";
import { attach, cloneTree } from "../compile/mounts.ts";
import { rootOf } from "../compile/users.ts";
import { orUndefined } from "../host/identity.ts";
import { resolveInRoot } from "../host/in-root.ts";
import { errnoName } from "../kernel/errno.ts";
import { AT_FDCWD, CLONE, MNT_DETACH, makedev, O, S_IF, UMOUNT_NOFOLLOW } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { performSteps } from "../program/steps.ts";
import type { Slot } from "../program/types.ts";
import { inWorker } from "../program/worker.ts";
import { NameError } from "../values/errors.ts";
import { changing } from "./adopt.ts";
import { type DescribedDevice, type DeviceOptions, describeDevices } from "./devices.ts";
import { runningContainer } from "./state.ts";

type Running = ReturnType<typeof runningContainer>;

/** Steps on the root of a container's first process, in a process of their own. */
async function onRoot(
  c: Running,
  what: string,
  write: (s: SectionBuilder, root: Slot, enter: () => void) => void,
): Promise<void> {
  const { pid } = c.started;
  const { failure } = await performSteps((s, program) => {
    inWorker(s, program, "worker in a container", (worker) => {
      const at = `/proc/${pid}`;
      const root = worker.get("open its root", "openat", [AT_FDCWD, `${at}/root`, O.PATH | O.DIRECTORY | O.CLOEXEC, 0]);
      const namespace = worker.get("open its mounts", "openat", [AT_FDCWD, `${at}/ns/mnt`, O.RDONLY | O.CLOEXEC, 0]);
      worker.call("have a root of its own", "unshare", [CLONE.FS]);
      worker.call("clear the umask", "umask", [0]);
      write(worker, root, () => worker.call("enter its mounts", "setns", [namespace, CLONE.NEWNS]));
    });
  });
  if (failure) throw new NameError(c.noted.name, `${what}: ${errnoName(failure.errno)}`);
}

const parts = (path: string) => [path.slice(0, path.lastIndexOf("/")), path.slice(path.lastIndexOf("/") + 1)] as const;
const isMapped = (c: Running) => c.noted.spec.linux?.namespaces?.some((n) => n.type === "user") === true;

function addNode(c: Running, d: DescribedDevice): Promise<void> {
  const [directory, name] = parts(d.path);
  return onRoot(c, `add ${d.path}`, (s, root, enter) => {
    const parent = openInRoot(s, root, directory, O.PATH | O.DIRECTORY);
    const format = d.type === "b" ? S_IF.BLK : S_IF.CHR;
    if (!isMapped(c)) {
      s.call(`make ${d.path}`, "mknodat", [
        parent,
        name,
        format | (d.fileMode ?? 0o666),
        makedev(d.major ?? 0, d.minor ?? 0),
      ]);
      return;
    }
    const node = cloneTree(s, `open the host's ${d.source}`, AT_FDCWD, d.source);
    s.call("be of the container's root group", "setfsgid", [rootOf(c.noted.spec.linux?.gidMappings) ?? 0]);
    s.call("be the container's root", "setfsuid", [rootOf(c.noted.spec.linux?.uidMappings) ?? 0]);
    s.call(`make the mount point ${d.path}`, "mknodat", [parent, name, S_IF.REG | 0o600, 0]);
    const point = s.get(`open ${d.path}`, "openat", [parent, name, O.PATH | O.NOFOLLOW | O.CLOEXEC, 0]);
    enter();
    attach(s, `bind the host's ${d.source} on ${d.path}`, node, point);
  });
}

function removeNode(c: Running, path: string): Promise<void> {
  const [directory, name] = parts(path);
  return onRoot(c, `remove ${path}`, (s, root, enter) => {
    const parent = openInRoot(s, root, directory, O.PATH | O.DIRECTORY);
    if (isMapped(c)) {
      enter();
      s.call(`go to ${directory}`, "fchdir", [parent]);
      s.call(`unbind ${path}`, "umount2", [name, MNT_DETACH | UMOUNT_NOFOLLOW]);
    }
    s.call(`remove ${path}`, "unlinkat", [parent, name, 0]);
  });
}

/** Its rules, if it has any: then a device is of no use until a rule allows it. */
const limited = (c: Running) => (c.noted.spec.linux?.resources?.devices?.length ?? 0) > 0;

/** Gives a running container a device of the host's: its node, and the right to it where rights are limited. */
export async function addDevices(container: string, devices: DeviceOptions): Promise<void> {
  const c = runningContainer(container);
  const described = describeDevices(devices);
  const added: string[] = [];
  try {
    if (limited(c))
      await changing(c, async (group) => {
        const now = (await group.limits()).devices;
        if (!now) throw new NameError(c.noted.name, "it has no device rules any more");
        const rules = (list: readonly string[]) => ({ default: "deny" as const, allow: list });
        const has = now.rules.map((r) => `${r.type} ${r.major ?? "*"}:${r.minor ?? "*"} ${r.access}`);
        await group.update({
          devices: rules([...has, ...described.map((d) => `${d.type} ${d.major}:${d.minor} ${d.access}`)]),
        });
      });
    for (const d of described) {
      await addNode(c, d);
      added.push(d.path);
    }
  } catch (e) {
    for (const path of added) await removeNode(c, path);
    throw e;
  }
}

/** Only a look: that nobody removes a file by mistake. What is not there, or cannot be looked at, is told of by the step. */
function checkIsDevice(c: Running, path: string): void {
  const root = `/proc/${c.started.pid}/root`;
  const stat = orUndefined(() => lstatSync(`${root}${resolveInRoot(root, path)}`));
  if (stat && !stat.isCharacterDevice() && !stat.isBlockDevice())
    throw new NameError(c.noted.name, `remove ${path}: it is not a device`);
}

/** Takes devices from a running container. What it has open stays open: the kernel looks at rights when one is opened. */
export async function removeDevices(container: string, paths: readonly string[]): Promise<void> {
  const c = runningContainer(container);
  for (const path of paths) checkIsDevice(c, path);
  for (const path of paths) await removeNode(c, path);
}
