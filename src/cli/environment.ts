import { readFileSync } from "node:fs";
import { InvalidOptionError } from "../values/errors.ts";
import { list, type OptionTable, pair, type Values } from "./option-table.ts";

export const environmentOptions: OptionTable = {
  env: {
    type: "string",
    short: "e",
    multiple: true,
    value: "K=V",
    help: "set an environment variable; K alone takes the caller's",
  },
  "env-file": { type: "string", multiple: true, value: "FILE", help: "set those of a file, one a line" },
};

export function readLines(field: string, path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    throw new InvalidOptionError(field, path, "a file that can be read");
  }
}

/** "K=V", or a name alone: what the caller has of it, if anything. Docker's env-file has both, and comments. */
export function environment(v: Values): Record<string, string> {
  const env = new Map<string, string>();
  const add = (field: string, entry: string) => {
    if (entry === "") throw new InvalidOptionError(field, entry, 'of the form "name=value", or a name');
    if (entry.includes("=")) env.set(...pair(field, entry));
    else if (Object.hasOwn(process.env, entry)) env.set(entry, process.env[entry] as string);
  };
  for (const file of list(v, "env-file"))
    for (const line of readLines("--env-file", file).map((l) => l.trimStart()))
      if (line && !line.startsWith("#")) add("--env-file", line.replace(/\r$/, ""));
  for (const entry of list(v, "env")) add("--env", entry);
  return Object.fromEntries(env);
}
