import { hostArch } from "../kernel/arch.ts";
import { P_PID, WEXITED } from "../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "./builder.ts";
import { encode } from "./encode.ts";
import { launcher } from "./launcher.ts";
import type { Program, Slot } from "./types.ts";

/** What the slots held when the launcher's own section was over. */
export type Performed<T> = {
  readonly program: Program;
  /** What writing the steps gave back: its slots. */
  readonly made: T;
  /** A slot, or the half of one: -1 where nothing was put. */
  value(slot: Slot, half?: "low" | "high"): number;
  /** All 64 bits of it. */
  wide(slot: Slot): bigint;
  /** The first step that failed. */
  readonly failure: { readonly section: number; readonly step: number; readonly errno: number } | undefined;
};

/** A program for the launcher itself: system calls that no JavaScript runtime has. `token` is for what it reports. */
export async function performSteps<T>(
  write: (s: SectionBuilder, program: ProgramBuilder) => T,
  token?: number,
  l = launcher(),
): Promise<Performed<T>> {
  const builder = new ProgramBuilder(hostArch());
  const made = write(builder.section("launcher"), builder);
  const program = builder.build();
  const slots = await l.perform(encode(program, false), token);
  const errno = slots[4] ?? 0;
  const value = ({ slot }: Slot, half: "low" | "high" = "low") => slots[2 * slot + (half === "low" ? 0 : 1)] ?? -1;
  const unsigned = (slot: Slot, half: "low" | "high") => BigInt.asUintN(32, BigInt(value(slot, half)));
  return {
    program,
    made,
    value,
    wide: (slot) => (unsigned(slot, "high") << 32n) | unsigned(slot, "low"),
    failure: errno > 0 ? { section: slots[0] ?? 0, step: slots[2] ?? 0, errno } : undefined,
  };
}

/** Waits for the end of processes that the launcher started, so that nothing of them is left. */
export async function reap(...pids: readonly number[]): Promise<void> {
  await performSteps((s) => {
    for (const pid of pids) s.call("reap", "waitid", [P_PID, pid, 0, WEXITED, 0], { ignore: "all" });
  });
}
