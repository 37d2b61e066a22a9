import type { Spec } from "../compile/spec.ts";
import type { SyscallHandlers } from "../seccomp/notify/call.ts";
import { mknodHandlers } from "./answers/mknod.ts";
import { mountHandlers } from "./answers/mount.ts";
import type { ReadyHandler } from "./answers/names.ts";
import { sysinfoHandlers } from "./answers/sysinfo.ts";

const ready: Readonly<Record<ReadyHandler, (spec: () => Spec) => SyscallHandlers>> = {
  mknod: mknodHandlers,
  mount: mountHandlers,
  sysinfo: sysinfoHandlers,
};
export const readyHandlers = (names: readonly ReadyHandler[], spec: () => Spec): SyscallHandlers =>
  Object.assign({}, ...names.map((n) => ready[n](spec)));
