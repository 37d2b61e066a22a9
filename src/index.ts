/// <reference lib="esnext.disposable" preserve="true" />
/** Containers for Linux, in-process and daemonless. See docs/ for a page on each topic. */
export type { Controller, EventFile, Files, Write } from "./cgroups/controller.ts";
export type { EventOptions, GroupEvent } from "./cgroups/events.ts";
export { ControlGroupError } from "./cgroups/files.ts";
export { ControlGroup, type CreateOptions, type GroupLimits, type GroupUsage } from "./cgroups/group.ts";
export type { Pressure, Pressures } from "./cgroups/pressure.ts";
export type { NotApplied } from "./cgroups/rlimits.ts";
export {
  type CheckedLimits,
  type ControllerName,
  type ControllerTypes,
  type Limits,
  registerController,
  type Usage,
} from "./cgroups/table.ts";
export type { ReadyHandler } from "./container/answers/names.ts";
export { Container, container, type ExecOptions, openContainer } from "./container/container.ts";
export type { DeviceChoice, DeviceOptions } from "./container/devices.ts";
export type { Encoding, Input, Output, StreamOptions, Written } from "./container/exchange.ts";
export { addDevices, removeDevices } from "./container/hotplug.ts";
export { type InGroupOptions, runIn, spawnIn } from "./container/in-group.ts";
export type { NamespaceChoice, NamespaceOptions } from "./container/namespaces.ts";
export type { ContainerOptions, IdRange, Volume, VolumeOption } from "./container/options.ts";
export { createPod, listPods, type Pod, type PodOptions, removePod } from "./container/pods.ts";
export { ContainerPool, containerPool } from "./container/pool.ts";
export { publishedPorts, publishPorts, unpublishPorts } from "./container/ports.ts";
export { ContainerProcess } from "./container/process.ts";
export type { ProfileName } from "./container/profiles.ts";
export type { Ending } from "./container/record.ts";
export { type RunOptions, type RunResult, run } from "./container/run.ts";
export { findContainer, type Known, listContainers, removeContainer } from "./container/state.ts";
export type { BlockedSyscall } from "./container/syscalls.ts";
export type { CopyOptions, CopyResult } from "./copy/copy.ts";
export { type FoundNamespace, listNamespaces } from "./namespaces/list.ts";
export {
  createNetwork,
  type Network,
  type NetworkDefinition,
  storedNetworks as listNetworks,
} from "./network/networks.ts";
export type { Bandwidth, BridgeOptions, Egress, NetworkOptions, PortMapping } from "./network/options.ts";
export { removeNetwork } from "./network/remove.ts";
export type { SyscallCall, SyscallHandler, SyscallHandlers, SyscallReply } from "./seccomp/notify/call.ts";
export { CaissonError, InvalidOptionError, NameError, StepError, UnsupportedError } from "./values/errors.ts";
export type { Ulimits, UlimitValue } from "./values/ulimits.ts";
