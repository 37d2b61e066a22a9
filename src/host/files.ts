import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { fsPath, orBytes, REPLACED, textOf } from "../values/bytes.ts";
import { isCode } from "../values/code-of.ts";

/** The names in a directory, of whatever bytes (src/values/bytes.ts). */
export function namesOf(directory: string | Buffer): string[] {
  const names = readdirSync(directory);
  if (!names.some((name) => name.includes(REPLACED))) return names;
  return readdirSync(directory, { encoding: "buffer" }).map(textOf);
}

export type Found = { readonly name: string; isDirectory(): boolean; isSymbolicLink(): boolean };

/** The same with what they are names of. */
export function entriesOf(directory: string | Buffer): Found[] {
  const found = readdirSync(directory, { withFileTypes: true });
  if (!found.some((e) => e.name.includes(REPLACED))) return found;
  const above = typeof directory === "string" ? directory : textOf(directory);
  return namesOf(directory).flatMap((name) => {
    const stat = lstatSync(fsPath(`${above}/${name}`), { throwIfNoEntry: false });
    return stat ? [{ name, isDirectory: () => stat.isDirectory(), isSymbolicLink: () => stat.isSymbolicLink() }] : [];
  });
}

/** The names alone; none if it is not there. */
export function namesIn(directory: string): string[] {
  try {
    return namesOf(directory);
  } catch (e) {
    if (isCode(e, "ENOENT")) return [];
    throw e;
  }
}

/** Where a link leads, whatever bytes that is. */
export const linkTarget = (path: string | Buffer): string =>
  orBytes(readlinkSync(path), () => readlinkSync(path, { encoding: "buffer" }));

/** A text of the kernel's, with names of whatever bytes in it. */
export const exactText = (path: string): string => orBytes(readFileSync(path, "utf8"), () => readFileSync(path));

/** What a file holds as JSON; nothing if it is not there, or still empty: it is being written. */
export function readJson<T>(path: string): T | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return text === "" ? undefined : (JSON.parse(text) as T);
  } catch (e) {
    if (isCode(e, "ENOENT")) return undefined;
    throw e;
  }
}

/** There is none, or it is of a process, or of a control group, that went as it was read. */
const GONE = ["ENOENT", "ENOTDIR", "ESRCH", "ENODEV"];

/** A file of the kernel's, or of a state directory; `undefined` where there is none. */
export function readOr(path: string): string | undefined {
  try {
    return exactText(path);
  } catch (e) {
    if (isCode(e, ...GONE)) return undefined;
    throw e;
  }
}
