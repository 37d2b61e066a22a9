import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hostArch } from "../kernel/arch.ts";

/** Where the built executors are: dist/native, seen from the sources, from dist and from the compiled command. */
function directories(): string[] {
  const here = dirname(fileURLToPath(import.meta.url));
  return [
    ...(process.env["CAISSON_NATIVE"] ? [process.env["CAISSON_NATIVE"]] : []),
    join(here, "../../dist/native"),
    join(here, "../native"),
    join(dirname(process.execPath), "native"),
  ];
}

let found: { path: string; bytes: Uint8Array } | undefined;

/** The executor for this machine: its path and its bytes. */
export function executor(arch = hostArch()): { path: string; bytes: Uint8Array } {
  if (found) return found;
  const tried = directories().map((d) => join(d, `executor-${arch}`));
  for (const path of tried) {
    try {
      found = { path, bytes: readFileSync(path) };
      return found;
    } catch {}
  }
  throw new Error(`the executor is missing: none of ${tried.join(", ")} exists; "npm run build" makes it`);
}
