/** Words of the OCI specification for scheduling and memory, as the kernel numbers them. */

/** linux/sched.h */
export const policies: Readonly<Record<string, number>> = {
  SCHED_OTHER: 0,
  SCHED_FIFO: 1,
  SCHED_RR: 2,
  SCHED_BATCH: 3,
  SCHED_ISO: 4,
  SCHED_IDLE: 5,
  SCHED_DEADLINE: 6,
};
export const schedulerFlags: Readonly<Record<string, number>> = {
  SCHED_FLAG_RESET_ON_FORK: 1,
  SCHED_FLAG_RECLAIM: 2,
  SCHED_FLAG_DL_OVERRUN: 4,
  SCHED_FLAG_KEEP_POLICY: 8,
  SCHED_FLAG_KEEP_PARAMS: 0x10,
  SCHED_FLAG_UTIL_CLAMP_MIN: 0x20,
  SCHED_FLAG_UTIL_CLAMP_MAX: 0x40,
};

/** linux/ioprio.h */
export const IOPRIO = {
  WHO_PROCESS: 1,
  CLASS_SHIFT: 13,
  classes: { IOPRIO_CLASS_RT: 1, IOPRIO_CLASS_BE: 2, IOPRIO_CLASS_IDLE: 3 } as Readonly<Record<string, number>>,
} as const;

/** linux/personality.h */
export const PER: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 };

/** linux/mempolicy.h */
export const MPOL = {
  modes: {
    MPOL_DEFAULT: 0,
    MPOL_PREFERRED: 1,
    MPOL_BIND: 2,
    MPOL_INTERLEAVE: 3,
    MPOL_LOCAL: 4,
    MPOL_PREFERRED_MANY: 5,
    MPOL_WEIGHTED_INTERLEAVE: 6,
  } as Readonly<Record<string, number>>,
  flags: {
    MPOL_F_NUMA_BALANCING: 0x2000,
    MPOL_F_RELATIVE_NODES: 0x4000,
    MPOL_F_STATIC_NODES: 0x8000,
  } as Readonly<Record<string, number>>,
} as const;

const WORD = 8;

/** "0-3,7" as a bit mask of whole words. cpuset(7) "List format". */
export function cpuMask(list: string): Uint8Array {
  const numbers = list
    .split(",")
    .filter(Boolean)
    .flatMap((part) => {
      const [first = 0, last = first] = part.trim().split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
  const bytes = new Uint8Array(WORD * (1 + Math.floor(Math.max(0, ...numbers) / (8 * WORD))));
  for (const n of numbers) bytes[n >> 3] = (bytes[n >> 3] ?? 0) | (1 << (n & 7));
  return bytes;
}
