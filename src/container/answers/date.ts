import { replacements } from "../../clock/code.ts";
import { functionsOf, vdsoOf } from "../../clock/vdso.ts";
import type { SeccompRule } from "../../compile/spec.ts";
import { hostArch } from "../../kernel/arch.ts";
import type { SyscallCall, SyscallHandlers, SyscallReply } from "../../seccomp/notify/call.ts";
import { InvalidOptionError, UnsupportedError } from "../../values/errors.ts";
import { parseDuration } from "../../values/units.ts";
import { writeCode } from "./code.ts";

/** "2038-01-19T03:14:00Z", or "+3d" and "-1h" from now, as seconds from the machine's own time of day. */
export function dateOffset(date: string): bigint {
  const sign = date.startsWith("+") ? 1 : date.startsWith("-") ? -1 : 0;
  if (sign !== 0) return BigInt(sign * Math.round(parseDuration("date", date.slice(1))));
  const at = Date.parse(date);
  if (!Number.isFinite(at))
    throw new InvalidOptionError("date", date, 'a time such as "2038-01-19T03:14:00Z", or "+3d" from now');
  return BigInt(Math.round((at - Date.now()) / 1000));
}

const REALTIME = [0, 5, 11];
const MARK_ARGUMENT = 2;
const timeCalls = ["clock_gettime", "gettimeofday", "time"];

/** What tells that a program has just begun: what C libraries and Go do first, before they ask for the time. */
const beginnings: readonly SeccompRule[] = [
  { names: ["brk"], action: "SCMP_ACT_NOTIFY", args: [{ index: 0, value: 0, op: "SCMP_CMP_EQ" }] },
  { names: ["arch_prctl", "set_tid_address", "sched_getaffinity"], action: "SCMP_ACT_NOTIFY" },
];

export const dateRules = (mark: bigint): SeccompRule[] => [
  { names: timeCalls, action: "SCMP_ACT_ALLOW", args: [{ index: MARK_ARGUMENT, value: mark, op: "SCMP_CMP_EQ" }] },
  ...REALTIME.map(
    (clock): SeccompRule => ({
      names: ["clock_gettime"],
      action: "SCMP_ACT_NOTIFY",
      args: [{ index: 0, value: clock, op: "SCMP_CMP_EQ" }],
    }),
  ),
  { names: ["gettimeofday", "time"], action: "SCMP_ACT_NOTIFY" },
  ...beginnings,
];

/**
 * A time of day of the container's own. Programs ask the vDSO, which is code in their memory: as each begins, that code
 * is replaced in it by code that asks the kernel and adds the difference. Who asks the kernel directly is answered here.
 */
export function dateHandlers(seconds: bigint, mark: bigint): SyscallHandlers {
  if (hostArch() !== "x86_64") throw new UnsupportedError("date", "the code that is put into programs is for x86-64");
  const codes = replacements(mark, seconds);
  let offsets: readonly (readonly [number, Uint8Array])[] | undefined;
  const begin = async (call: SyscallCall): Promise<SyscallReply> => {
    const vdso = vdsoOf(call.pid);
    if (!vdso) return "continue";
    if (!offsets) {
      const functions = functionsOf(await call.readBytes(vdso.base, vdso.size));
      offsets = [...codes].flatMap(([name, code]) => {
        const at = functions.get(name);
        return at === undefined ? [] : [[at, code] as const];
      });
    }
    const missing: [bigint, Uint8Array][] = [];
    for (const [at, code] of offsets) {
      const place = vdso.base + BigInt(at);
      const now = await call.readBytes(place, code.length);
      if (Buffer.compare(now, code) !== 0) missing.push([place, code]);
    }
    if (missing.length) await writeCode(call, missing);
    return "continue";
  };
  const now = () => BigInt(Math.floor(Date.now() / 1000)) + seconds;
  const pair = (fraction: number) => new Uint8Array(new BigInt64Array([now(), BigInt(fraction)]).buffer);
  const milliseconds = () => Date.now() % 1000;
  return {
    brk: begin,
    arch_prctl: begin,
    set_tid_address: begin,
    sched_getaffinity: begin,
    clock_gettime: async (call) => {
      await call.writeBytes(call.args[1] ?? 0n, pair(milliseconds() * 1e6));
      return { value: 0 };
    },
    gettimeofday: async (call) => {
      if (call.args[0]) await call.writeBytes(call.args[0], pair(milliseconds() * 1e3));
      return { value: 0 };
    },
    time: async (call) => {
      const t = now();
      if (call.args[0]) await call.writeBytes(call.args[0], new Uint8Array(new BigInt64Array([t]).buffer));
      return { value: Number(t) };
    },
  };
}
