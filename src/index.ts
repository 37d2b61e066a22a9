/** Containers for Linux, in-process and daemonless. See docs/ for a page on each topic. */
export { Container, container, type ExecOptions, openContainer } from "./container/container.ts";
export type { ContainerOptions, IdRange, UlimitValue, Volume } from "./container/options.ts";
export { ContainerPool, containerPool } from "./container/pool.ts";
export { ContainerProcess } from "./container/process.ts";
export type { Ending } from "./container/record.ts";
export { type Output, type RunOptions, type RunResult, run } from "./container/run.ts";
export { findContainer, type Known, listContainers, removeContainer } from "./container/state.ts";
export { CaissonError, InvalidOptionError, NameError, StepError, UnsupportedError } from "./values/errors.ts";
