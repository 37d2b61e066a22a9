import { accessSync, constants, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { codeOf } from "../values/code-of.ts";
import { InvalidOptionError } from "../values/errors.ts";

const refuse = (field: string, path: string, e: unknown): never => {
  throw new InvalidOptionError(field, path, `a file that can be written (${codeOf(e)})`);
};

/** Whether a file could be written, before anything is done for what is to be in it. */
export function checkWritable(field: string, path: string): void {
  try {
    const isThere = statSync(path, { throwIfNoEntry: false });
    if (isThere?.isDirectory()) refuse(field, path, { code: "EISDIR" });
    accessSync(isThere ? path : dirname(resolve(path)), constants.W_OK);
  } catch (e) {
    if (e instanceof InvalidOptionError) throw e;
    refuse(field, path, e);
  }
}

export function writeOutput(field: string, path: string, what: string | Uint8Array, mode = 0o666): void {
  try {
    writeFileSync(path, what, { mode });
  } catch (e) {
    refuse(field, path, e);
  }
}
