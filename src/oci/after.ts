import { fstatSync, readFileSync, readSync } from "node:fs";
import { HOOK_KILLED, HOOK_LABEL, HOOK_STATUS, HOOK_TIMED_OUT } from "../compile/runtime/hooks.ts";
import { stepError } from "../container/failure.ts";
import { readFailure } from "../container/record.ts";
import { signalName } from "../kernel/signals.ts";
import { labelOf, programIn } from "../program/labels.ts";
import { failureStatus } from "./context.ts";
import { errnoText } from "./errno-text.ts";
import { complain, logOf } from "./log.ts";

const RECORD_LIMIT = 65536;

function readAll(fd: number): Uint8Array {
  const bytes = new Uint8Array(RECORD_LIMIT);
  return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, null));
}

/** The program that was performed, whose name is gone: read through the descriptor that was kept. */
function label(own: number, section: number, step: number): string {
  const file = new Uint8Array(readFileSync(`/proc/self/fd/${own}`));
  const program = fstatSync(own).size > 0 ? programIn(file) : undefined;
  return program ? labelOf(program, section, step) : `step ${step} of section ${section}`;
}

const endOf = (errno: number) => {
  if (errno < HOOK_KILLED) return `exit status ${errno - HOOK_STATUS}`;
  const signal = signalName(errno - HOOK_KILLED);
  return `ended by ${signal}${signal === "SIGSYS" ? " (bad system call)" : ""}`;
};

/** A failed step in the words that engines look for: what libc calls the errno. */
export function failureText(step: string, errno: number, said = ""): string {
  if (step.startsWith(HOOK_LABEL) && errno >= HOOK_STATUS) {
    const how = errno === HOOK_TIMED_OUT ? "its time was over" : endOf(errno);
    const words = said.trim();
    return `error running ${step}: ${how}${words === "" ? "" : `: ${words}`}`;
  }
  const e = stepError("", 0, step, errno);
  // What is looked for in PATH has no slash in its name.
  if (e.exitCode === 127 && !step.includes("/"))
    return `${step}: executable file not found in $PATH (${e.errno}: ${errnoText(errno)})`;
  // A hook is executed out here, not in the container.
  const hint = e.hint && !step.includes(HOOK_LABEL) ? `: ${e.hint}` : "";
  return `${step}: ${errnoText(errno)} (${e.errno}${hint})`;
}

/** What a program of this command becomes when a step of it failed: it says which, and why. */
export function after(words: readonly string[]): number {
  const [record = 0, own = 0, said = 0] = words.slice(0, 3).map(Number);
  const [path, format, doing] = words.slice(3);
  const bytes = readAll(record);
  const failure = readFailure(new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  const log = logOf(path, format, false);
  const status = failureStatus(doing?.split(" ", 1)[0] ?? "");
  if (!failure) {
    complain(log, `${doing}: it failed, but no step of it did`);
    return status;
  }
  const heard = readOr(said);
  complain(log, `${doing}: ${failureText(label(own, failure.section, failure.step), failure.errno, heard)}`);
  return status;
}

/** What hooks printed: a file in memory, where there were any. */
function readOr(fd: number): string {
  try {
    return readFileSync(`/proc/self/fd/${fd}`, "utf8");
  } catch {
    return "";
  }
}
