import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import type { GenericSchema, InferOutput } from "valibot";
import { safeParse } from "valibot";
import type { Process, Resources, Spec } from "../compile/spec.ts";
import { codeOf } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import { parseExact } from "../values/exact.ts";
import { describeIssue } from "../values/fields.ts";
import { type Say, withoutUnknown } from "./capabilities.ts";
import { process as processSchema } from "./schema/process.ts";
import { resources as resourcesSchema } from "./schema/resources.ts";
import { spec as specSchema } from "./schema/spec.ts";

/** A configuration that is no such thing: which field, what it is, what was expected. */
export class ConfigError extends CaissonError {
  override readonly name = "ConfigError";
}

const LIMIT = 32 << 20;

function decode(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new ConfigError(`${what}: not UTF-8`);
  }
}

/**
 * A file as a whole, from one descriptor: what is checked is what is used, whatever happens to its name meanwhile.
 * `pipes`: it may be one, as `<(…)` of a shell gives it; then whoever has its other end is waited for.
 */
export function readText(path: string, pipes = false): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | (pipes ? 0 : constants.O_NONBLOCK));
  } catch (e) {
    throw new ConfigError(`open ${path}: ${codeOf(e)}`);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile() && !(pipes && stat.isFIFO())) throw new ConfigError(`${path}: not a file`);
    if (stat.size > LIMIT) throw new ConfigError(`${path}: ${stat.size} bytes are more than ${LIMIT}`);
    return decode(readFileSync(fd), path);
  } finally {
    closeSync(fd);
  }
}

export const readStandardInput = (): string => decode(readFileSync(0), "standard input");

export function parseJson(text: string, what: string): unknown {
  try {
    return parseExact(text);
  } catch (e) {
    throw new ConfigError(
      `${what}: ${e instanceof RangeError ? "nested too deeply" : `not JSON (${(e as Error).message})`}`,
    );
  }
}

function check<S extends GenericSchema>(schema: S, value: unknown, prefix: string): InferOutput<S> {
  const result = safeParse(schema, value, { abortEarly: true });
  if (!result.success) throw new ConfigError(`${prefix}${describeIssue(result.issues[0], "configuration")}`);
  return result.output;
}

const DEEPEST = 500;

// `null` stands for what is not there: Go writes empty lists and objects so.
function dropNulls(value: unknown, depth = 0): unknown {
  if (depth > DEEPEST) throw new ConfigError(`configuration: nested more than ${DEEPEST} levels deep`);
  if (Array.isArray(value)) return value.map((v) => dropNulls(v, depth + 1));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([k, v]) => (v === null ? [] : [[k, dropNulls(v, depth + 1)]])),
  );
}

export function parseSpec(value: unknown, say: Say): Spec {
  const spec = check(specSchema, dropNulls(value), "") as Spec;
  return spec.process ? { ...spec, process: withoutUnknown({ capabilities: {}, ...spec.process }, say) } : spec;
}
export const parseProcess = (value: unknown, say: Say): Process =>
  withoutUnknown(check(processSchema, dropNulls(value), "process.") as Process, say);
export const parseResources = (value: unknown): Resources =>
  check(resourcesSchema, dropNulls(value), "linux.resources.") as Resources;
