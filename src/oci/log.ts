import { appendFileSync, closeSync, openSync } from "node:fs";
import { resolve } from "node:path";
import type { Warning } from "../compile/runtime/lifecycle.ts";
import { put } from "../host/output.ts";
import type { Program } from "../program/types.ts";
import { codeOf } from "../values/code-of.ts";
import { InvalidOptionError } from "../values/errors.ts";

/** Where the command's own messages go: the engine reads them back from there. */
export type Log = { readonly path: string | undefined; readonly format: "text" | "json"; readonly debug: boolean };

export function logOf(path: unknown, format: unknown, debug: boolean): Log {
  const words = format ?? "text";
  if (words !== "text" && words !== "json") throw new InvalidOptionError("--log-format", words, "text or json");
  // The working directory becomes the bundle later.
  const file = typeof path === "string" && path !== "" ? resolve(path) : undefined;
  return { path: file, format: words, debug };
}

const line = (log: Log, level: string, message: string, time = new Date().toISOString()): string =>
  log.format === "json"
    ? `${JSON.stringify({ level, msg: message, time })}\n`
    : `time="${time}" level=${level} msg=${JSON.stringify(message)}\n`;

function write(log: Log, level: string, message: string): void {
  if (log.path === undefined) return;
  try {
    appendFileSync(log.path, line(log, level, message));
  } catch (e) {
    put(2, `caisson-oci: the log ${log.path} cannot be written: ${codeOf(e)}\n`);
  }
}

let warned = false;
/** Whether anything was warned of, which is to be said each time. */
export const hasWarned = (): boolean => warned;

export const warn = (log: Log, message: string): void => {
  warned = true;
  write(log, "warning", message);
  if (log.path === undefined) put(2, `caisson-oci: ${message}\n`);
};

/** Before anything is done: what went wrong later might be told to nobody. */
export function checkLog({ path }: Log): void {
  if (path === undefined) return;
  try {
    closeSync(openSync(path, "a"));
  } catch (e) {
    throw new InvalidOptionError("--log", path, `a file that can be written (${codeOf(e)})`);
  }
}

/** With --debug: what is going to be performed, step by step. */
export function debugProgram(log: Log, doing: string, { sections }: Program): void {
  if (!log.debug) return;
  const say = (message: string) =>
    log.path === undefined ? put(2, line(log, "debug", message)) : write(log, "debug", message);
  for (const section of sections) {
    say(`${doing}: section ${section.name} of ${section.steps.length} steps`);
    for (const step of section.steps) if (step.label) say(`${doing}: ${section.name}: ${step.label}`);
  }
}

/** As a program of ours says it, as of a time (RFC 3339; default: now). */
export const warningOf = (log: Log, message: string, time?: string): Warning =>
  log.path === undefined
    ? { line: `caisson-oci: ${message}\n` }
    : { line: line(log, "warning", message, time), file: log.path };

/** An error is said twice: in the log for the engine, on standard error for people. */
export function complain(log: Log, message: string): void {
  write(log, "error", message);
  put(2, `caisson-oci: ${message}\n`);
}
