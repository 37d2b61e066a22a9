import type { Spec } from "../compile/spec.ts";
import { isSyscallName } from "../seccomp/architectures.ts";
import { ConfigError } from "./config.ts";

/** Refuses a filter with a name that is no system call's on any architecture. Without being asked, such a rule is left out. */
export function checkCalls(spec: Spec): void {
  const names = (spec.linux?.seccomp?.syscalls ?? []).flatMap((rule) => rule.names);
  const unknown = names.find((name) => !isSyscallName(name));
  if (unknown !== undefined) throw new ConfigError(`linux.seccomp.syscalls: no system call is known as ${unknown}`);
}
