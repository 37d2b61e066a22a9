import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { hostArch } from "../kernel/arch.ts";

/** The compiled commands have it in them, so that each can be installed alone: scripts/build.sh. */
declare const CAISSON_EXECUTOR: string | undefined;

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

let bytes: Uint8Array | undefined;

/** The executor for this machine. */
export function executor(): Uint8Array {
  bytes ??=
    typeof CAISSON_EXECUTOR === "string"
      ? Buffer.from(CAISSON_EXECUTOR, "base64")
      : readFileSync(onDisk() ?? missing());
  return bytes;
}

function onDisk(): string | undefined {
  return directories()
    .map((d) => join(d, `executor-${hostArch()}`))
    .find((path) => existsSync(path));
}

function missing(): never {
  throw new Error(`the executor is missing: it is in none of ${directories().join(", ")}; "npm run build" makes it`);
}

/** A file to execute it from; one that was made for this is gone when this process ends. */
export function executorFile(): string {
  const path = onDisk();
  if (path !== undefined) return path;
  const made = `/dev/shm/caisson-executor-${process.pid}`;
  writeFileSync(made, executor(), { mode: 0o700 });
  process.once("exit", () => rmSync(made, { force: true }));
  return made;
}
