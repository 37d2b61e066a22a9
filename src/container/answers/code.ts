import { errnoName } from "../../kernel/errno.ts";
import { AT_FDCWD, O } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { performSteps } from "../../program/steps.ts";
import { inWorker } from "../../program/worker.ts";
import type { SyscallCall } from "../../seccomp/notify/call.ts";
import { isCode } from "../../values/code-of.ts";
import { CaissonError } from "../../values/errors.ts";
import { whileOpened } from "./caller.ts";

/** ptrace(2): its tracer from then on, which stops nothing. */
const PTRACE_SEIZE = 0x4206;

type Piece = readonly [place: bigint, code: Uint8Array];

/** Writes code into a process, which it could not write itself. proc_pid_mem(5) */
export async function writeCode(call: SyscallCall, pieces: readonly Piece[]): Promise<void> {
  try {
    for (const [place, code] of pieces) await call.writeBytes(place, code);
  } catch (e) {
    if (!isCode(e, "EIO")) throw e;
    await asTracer(call, pieces);
  }
}

/**
 * Where nobody but its tracer may do that (CONFIG_PROC_MEM_FORCE_PTRACE, which Debian has since Linux 7), a worker is that until it
 * ends. Were the pid another process's by then, the kernel would refuse: what is open is the memory of the one that called.
 */
export async function asTracer(call: SyscallCall, pieces: readonly Piece[]): Promise<void> {
  const path = `/proc/${call.pid}/mem`;
  const open = (s: SectionBuilder) => [s.get("open its memory", "openat", [AT_FDCWD, path, O.WRONLY | O.CLOEXEC, 0])];
  await whileOpened(call, open, async ([memory = -1]) => {
    const { failure } = await performSteps((s, program) =>
      inWorker(s, program, "tracer", (worker) => {
        worker.call("be its tracer", "ptrace", [PTRACE_SEIZE, call.pid, 0, 0]);
        for (const [place, bytes] of pieces)
          worker.call("write code", "pwrite64", [memory, { name: "code", bytes, pointers: [] }, bytes.length, place]);
      }),
    );
    if (failure) throw new CaissonError(`write code into ${call.pid}: ${errnoName(failure.errno)}`);
  });
}
