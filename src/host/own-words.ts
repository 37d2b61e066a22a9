import { fileURLToPath } from "node:url";
import { isCompiled } from "./compiled.ts";

/** The command line, as the words to execute it with: from the compiled command, the package or the sources. */
export function ownWords(): string[] {
  if (isCompiled()) return [process.execPath];
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return [process.execPath, fileURLToPath(new URL(`../bin/caisson.${extension}`, import.meta.url))];
}
