import { readdirSync, readFileSync } from "node:fs";

/** The names in a directory; none if it is not there. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw e;
  }
}

/** What a file holds as JSON; nothing if it is not there, or still empty: it is being written. */
export function readJson<T>(path: string): T | undefined {
  try {
    const text = readFileSync(path, "utf8");
    return text === "" ? undefined : (JSON.parse(text) as T);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw e;
  }
}

/** There is none, or it is of a process, or of a control group, that went as it was read. */
const GONE = ["ENOENT", "ENOTDIR", "ESRCH", "ENODEV"];

/** A file of the kernel's, or of a state directory; `undefined` where there is none. */
export function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (e) {
    if (GONE.includes((e as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw e;
  }
}
