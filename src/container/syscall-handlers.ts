import type { Spec } from "../compile/spec.ts";
import type { SyscallHandlers } from "../seccomp/notify/call.ts";
import { mknodHandlers } from "./answers/mknod.ts";
import { mountHandlers } from "./answers/mount.ts";
import { sysinfoHandlers } from "./answers/sysinfo.ts";

/** Handlers that are here already: devices of the container by mknod, file systems that are safe to mount, its memory. */
export type ReadyHandler = "mknod" | "mount" | "sysinfo";
const ready: Readonly<Record<ReadyHandler, (spec: () => Spec) => SyscallHandlers>> = {
  mknod: mknodHandlers,
  mount: mountHandlers,
  sysinfo: sysinfoHandlers,
};
export const readyNames = Object.keys(ready) as readonly ReadyHandler[];

export const readyHandlers = (names: readonly ReadyHandler[], spec: () => Spec): SyscallHandlers =>
  Object.assign({}, ...names.map((n) => ready[n](spec)));
