export type { ContainerOptions, IdRange, UlimitValue, Volume } from "./container/options.ts";
export { type Output, type RunOptions, type RunResult, run } from "./container/run.ts";
export { CaissonError, InvalidOptionError, NameError, StepError, UnsupportedError } from "./values/errors.ts";
