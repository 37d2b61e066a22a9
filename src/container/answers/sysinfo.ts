import { readFileSync } from "node:fs";
import { freemem, loadavg, totalmem, uptime } from "node:os";
import { readOptional } from "../../cgroups/files.ts";
import { layout } from "../../cgroups/look.ts";
import type { Spec } from "../../compile/spec.ts";
import type { SyscallHandlers } from "../../seccomp/notify/call.ts";

/** struct sysinfo of 64-bit machines: sysinfo(2). */
const SIZE = 112;
const LOAD_SHIFT = 65536;
const NEVER = 2 ** 60;

/** What the caller's memory group allows and uses, in bytes. */
export function memoryOf(pid: number): { limit: number; used: number } {
  const groups = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const found = layout();
  const v1 = found.v1["memory"];
  const path = groups.map((l) => l.split(":")).find(([, c]) => (v1 ? c?.split(",").includes("memory") : c === ""));
  const directory = `${v1 ?? found.v2?.point ?? ""}${path?.slice(2).join(":") ?? ""}`;
  const read = (name: string) => Number.parseInt(readOptional(`${directory}/${name}`) ?? "", 10);
  const [limit, used] = v1
    ? [read("memory.limit_in_bytes"), read("memory.usage_in_bytes")]
    : [read("memory.max"), read("memory.current")];
  const total = totalmem();
  const bounded = Number.isFinite(limit) && limit < NEVER ? Math.min(limit, total) : total;
  return { limit: bounded, used: Number.isFinite(used) ? Math.min(used, bounded) : total - freemem() };
}

/** sysinfo(2) with the container's memory instead of the machine's. */
export const sysinfoHandlers = (_spec: () => Spec): SyscallHandlers => ({
  sysinfo: async (call) => {
    const { limit, used } = memoryOf(call.pid);
    const bytes = new Uint8Array(SIZE);
    const view = new DataView(bytes.buffer);
    view.setBigInt64(0, BigInt(Math.floor(uptime())), true);
    loadavg().forEach((load, i) => {
      view.setBigUint64(8 + 8 * i, BigInt(Math.round(load * LOAD_SHIFT)), true);
    });
    view.setBigUint64(32, BigInt(limit), true);
    view.setBigUint64(40, BigInt(limit - used), true);
    view.setUint16(80, 1, true);
    view.setUint32(104, 1, true);
    await call.writeBytes(call.args[0] ?? 0n, bytes);
    return { value: 0 };
  },
});
