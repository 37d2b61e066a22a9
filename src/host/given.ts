import { readFileSync } from "node:fs";
import { REPLACED, textOf } from "../values/bytes.ts";
import { linkTarget } from "./files.ts";

/** The words that this process was executed with, behind its own; runtimes lose those that are not UTF-8. proc_pid_cmdline(5) */
export function givenWords(): string[] {
  const words = process.argv.slice(2);
  if (words.length === 0 || !words.some((word) => word.includes(REPLACED))) return words;
  return textOf(readFileSync("/proc/self/cmdline")).split("\0").slice(0, -1).slice(-words.length);
}

/** Throws ENOENT if it is no more. */
export function workingDirectory(): string {
  const path = process.cwd();
  return path.includes(REPLACED) ? linkTarget("/proc/self/cwd") : path;
}
