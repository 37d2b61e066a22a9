import type { SyscallHandlers } from "../../seccomp/notify/call.ts";

/**
 * sched_getaffinity(2) with as many CPUs as the container may use: what programs that count CPUs ask. Where they run is
 * not changed by it.
 */
export const affinityHandlers = (cpus: number): SyscallHandlers => ({
  sched_getaffinity: async (call) => {
    const [, size = 0n, mask = 0n] = call.args;
    const needed = Math.max(8, Math.ceil(cpus / 64) * 8);
    if (size < BigInt(needed)) return { errno: "EINVAL" };
    const bytes = new Uint8Array(needed);
    for (let i = 0; i < cpus; i++) bytes[i >> 3] = (bytes[i >> 3] ?? 0) | (1 << (i & 7));
    await call.writeBytes(mask, bytes);
    return { value: needed };
  },
});
