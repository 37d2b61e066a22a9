import { EXEC_LABEL } from "../compile/command.ts";
import { errnoName } from "../kernel/errno.ts";
import type { Program } from "../program/types.ts";
import { StepError } from "../values/errors.ts";
import { hintFor } from "./hints.ts";
import type { Failure } from "./record.ts";

/** Which exit status a failed step is: as of a shell where it was the command itself (sh(1): 126, 127), else 125. */
function exitCodeOf(step: string, errno: string): 125 | 126 | 127 {
  if (!step.startsWith(EXEC_LABEL)) return 125;
  return errno === "ENOENT" || errno === "ENOTDIR" ? 127 : 126;
}

export function stepError(section: string, index: number, step: string, errnoNumber: number): StepError {
  const errno = errnoName(errnoNumber) as `E${string}`;
  const path = /\/[^ ,:]*/.exec(step)?.[0];
  return new StepError({
    step,
    section,
    index,
    errno,
    path,
    hint: hintFor(step, errno),
    exitCode: exitCodeOf(step, errno),
  });
}

export function failureOf(program: Program, failure: Failure): StepError {
  const section = program.sections[failure.section];
  const step = section?.steps[failure.step];
  return stepError(section?.name ?? "?", failure.step, step?.label ?? "an unknown step", failure.errno);
}
