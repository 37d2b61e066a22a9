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
export { Container, container, type ExecOptions, openContainer } from "./container/container.ts";
export { type InGroupOptions, runIn, spawnIn } from "./container/in-group.ts";
export type { ContainerOptions, IdRange, Volume } from "./container/options.ts";
export { ContainerPool, containerPool } from "./container/pool.ts";
export { ContainerProcess } from "./container/process.ts";
export type { Ending } from "./container/record.ts";
export { type Output, type RunOptions, type RunResult, run } from "./container/run.ts";
export { findContainer, type Known, listContainers, removeContainer } from "./container/state.ts";
export { CaissonError, InvalidOptionError, NameError, StepError, UnsupportedError } from "./values/errors.ts";
export type { Ulimits, UlimitValue } from "./values/ulimits.ts";
