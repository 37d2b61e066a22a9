import { appendFileSync } from "node:fs";
import { put } from "../host/output.ts";
import { InvalidOptionError } from "../values/errors.ts";

/** Where the command's own messages go: the engine reads them back from there. */
export type Log = { readonly path: string | undefined; readonly format: "text" | "json"; readonly debug: boolean };

export function logOf(path: unknown, format: unknown, debug: boolean): Log {
  const words = format ?? "text";
  if (words !== "text" && words !== "json") throw new InvalidOptionError("--log-format", words, "text or json");
  return { path: typeof path === "string" && path !== "" ? path : undefined, format: words, debug };
}

const line = (log: Log, level: string, message: string): string => {
  const time = new Date().toISOString();
  return log.format === "json"
    ? `${JSON.stringify({ level, msg: message, time })}\n`
    : `time="${time}" level=${level} msg=${JSON.stringify(message)}\n`;
};

function write(log: Log, level: string, message: string): void {
  if (log.path === undefined) return;
  try {
    appendFileSync(log.path, line(log, level, message));
  } catch (e) {
    put(2, `caisson-oci: the log ${log.path} cannot be written: ${(e as NodeJS.ErrnoException).code}\n`);
  }
}

export const warn = (log: Log, message: string): void => {
  write(log, "warning", message);
  if (log.path === undefined) put(2, `caisson-oci: ${message}\n`);
};

/** An error is said twice: in the log for the engine, on standard error for people. */
export function complain(log: Log, message: string): void {
  write(log, "error", message);
  put(2, `caisson-oci: ${message}\n`);
}
