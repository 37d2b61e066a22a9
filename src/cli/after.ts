import { fstatSync, readFileSync, readSync } from "node:fs";
import { EXEC_LABEL } from "../compile/command.ts";
import { FD } from "../compile/descriptors.ts";
import { ENTER_LABEL } from "../compile/here.ts";
import { AFTER_FD } from "../compile/report.ts";
import { stepError } from "../container/failure.ts";
import { readEnding, readFailure } from "../container/record.ts";
import { finishNoted, removeLeft } from "../container/state.ts";
import { workingDirectory } from "../host/given.ts";
import { signalName } from "../kernel/signals.ts";
import { labelOf, programIn } from "../program/labels.ts";
import { complain } from "./output.ts";

const RECORD_LIMIT = 65536;
const SIGSYS = 31;
const SIGKILL = 9;

function readAll(fd: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_LIMIT);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, null));
}

/** The program that was performed, whose name is gone: read through the descriptor that was kept. */
function label(section: number, step: number): string {
  const file = new Uint8Array(readFileSync(`/proc/self/fd/${FD.CONTROL}`));
  const program = fstatSync(FD.CONTROL).size > 0 ? programIn(file) : undefined;
  return program ? labelOf(program, section, step) : `step ${step} of section ${section}`;
}

/** What the supervisor becomes when an end needs words: it says why, and exits with the status that is due. */
export async function after(keys: string, data: string, state: string, command = ""): Promise<number> {
  const bytes = readAll(AFTER_FD);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const failure = readFailure(view);
  if (failure) {
    const found = label(failure.section, failure.step);
    const step = `${found}${found === EXEC_LABEL ? command : found === ENTER_LABEL ? workingDirectory() : ""}`;
    const error = stepError(String(failure.section), failure.step, step, failure.errno);
    complain(error.message);
    if (failure.isLeft) removeLeft(state, data);
    return error.exitCode;
  }
  // Of one that failed, what has this name may be another's.
  if (state !== "") await finishNoted(state, data);
  const ending = readEnding(view, keys ? keys.split(",") : []);
  const signal = ending.signal || ending.exitCode - 128;
  if (ending.timedOut) complain("killed: the time given by --timeout was over");
  else if (ending.oomKilled && signal === SIGKILL) complain("killed: out of memory (--memory)");
  else if (signal === SIGSYS)
    complain(`killed by ${signalName(SIGSYS)}: a system call that its seccomp profile forbids`);
  return ending.exitCode;
}
