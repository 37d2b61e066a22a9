import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import { safeParse } from "valibot";
import { parse as parseYaml } from "yaml";
import { codeOf, isCode } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import { describeIssue } from "../values/fields.ts";
import { type CdiSpec, cdiSpec } from "./schema.ts";

/** A file that describes devices is no such thing, or two of them describe the same one. */
export class CdiError extends CaissonError {
  override readonly name = "CdiError";
}

/** What is in a later directory comes first: files made at boot have precedence over those of the administrator. */
export const CDI_DIRECTORIES: readonly string[] = ["/etc/cdi", "/var/run/cdi"];

export type CdiFile = { readonly path: string; readonly priority: number; readonly spec: CdiSpec };
export type CdiFiles = { readonly files: readonly CdiFile[]; readonly errors: readonly CdiError[] };

function parse(path: string): unknown {
  try {
    const text = readFileSync(path, "utf8");
    return path.endsWith(".json") ? JSON.parse(text) : parseYaml(text);
  } catch (e) {
    throw new CdiError(`${path}: ${(e as Error).message.split("\n")[0]}`);
  }
}

function check(path: string, value: unknown): CdiSpec {
  const result = safeParse(cdiSpec, value, { abortEarly: true });
  if (result.success) return result.output;
  throw new CdiError(`${path}: ${describeIssue(result.issues[0], "the file")}`);
}

function names(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch (e) {
    if (isCode(e, "ENOENT")) return [];
    throw new CdiError(`${directory}: ${codeOf(e)}`);
  }
}

/** All files that describe devices. One that is wrong does not keep those of others from being found. */
export function readCdi(directories = CDI_DIRECTORIES): CdiFiles {
  const files: CdiFile[] = [];
  const errors: CdiError[] = [];
  for (const [priority, directory] of directories.entries())
    for (const name of names(directory)) {
      if (![".json", ".yaml"].includes(extname(name))) continue;
      const path = join(directory, name);
      try {
        files.push({ path, priority, spec: check(path, parse(path)) });
      } catch (e) {
        if (!(e instanceof CdiError)) throw e;
        errors.push(e);
      }
    }
  return { files, errors };
}
