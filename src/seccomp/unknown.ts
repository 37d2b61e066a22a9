import type { Seccomp } from "../compile/spec.ts";
import type { SeccompArch } from "./architectures.ts";

/**
 * From which number on system calls are newer than all that a profile names: not forbidden by whoever wrote it, but not
 * known. With ENOSYS programs and C libraries do without them, with EPERM they fail: so such calls are "not there" for
 * a profile that refuses by an errno, as runc has it since 1.0.0-rc93. A profile that kills by default still does.
 */
export function unknownFrom(seccomp: Seccomp, arch: SeccompArch): number {
  if (seccomp.defaultAction !== "SCMP_ACT_ERRNO") return Number.POSITIVE_INFINITY;
  const table = arch.table();
  let last = -1;
  for (const { names } of seccomp.syscalls ?? [])
    for (const name of names) last = Math.max(last, table.get(name) ?? -1);
  return last < 0 ? Number.POSITIVE_INFINITY : last + 1;
}
