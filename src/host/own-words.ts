import { accessSync, constants, existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { UnsupportedError } from "../values/errors.ts";

/** Put into the compiled commands by scripts/build.sh. */
declare const CAISSON_COMMAND: string | undefined;

function onPath(name: string): string | undefined {
  const directories = (process.env["PATH"] ?? "").split(":").filter((d) => d.startsWith("/"));
  return directories
    .map((d) => join(d, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The command line, as the words to execute it with: from the compiled command, the package or the sources; for a library in a bundle the one that is installed. */
export function ownWords(): string[] {
  if (typeof CAISSON_COMMAND === "string") return [process.execPath];
  // A bundle of CommonJS modules has no such thing.
  const url: string | undefined = import.meta.url;
  const extension = url?.endsWith(".ts") ? "ts" : "js";
  const script = url && fileURLToPath(new URL(`../bin/caisson.${extension}`, url));
  if (script && existsSync(script)) return [process.execPath, script];
  const command = onPath("caisson");
  if (command === undefined)
    throw new UnsupportedError(
      "network",
      "a bundle has no command that answers for names: install caisson, or give dns",
    );
  return [command];
}
