import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { executableDirectory } from "../host/executable-directory.ts";
import { hostFacts } from "../host/facts.ts";
import { type Arch, hostArch } from "../kernel/arch.ts";

/** Put in by scripts/build.sh, in base64: the library may be bundled into one file, and each compiled command installed alone. */
declare const CAISSON_EXECUTORS: Partial<Record<Arch, string>> | undefined;

/** A bundle of CommonJS modules has no such thing. */
const placeOf = (url: string | undefined) => (url === undefined ? undefined : dirname(fileURLToPath(url)));

/** Directories beside dist/native that this module may be in: as it is, and in what scripts/bundle.ts makes. */
const OURS = ["program", "library", "command"];

/** Where the built executors are: dist/native, seen from the sources and from dist. A bundle of somebody else's has other neighbours, which are not ours to execute. */
function directories(): string[] {
  const here = placeOf(import.meta.url);
  const given = process.env["CAISSON_NATIVE"];
  return [
    ...(given ? [given] : []),
    ...(here !== undefined && OURS.includes(basename(here))
      ? [join(here, "../../dist/native"), join(here, "../native")]
      : []),
  ];
}

function embedded(): Uint8Array | undefined {
  const text = typeof CAISSON_EXECUTORS === "object" ? CAISSON_EXECUTORS[hostArch()] : undefined;
  return text === undefined ? undefined : Buffer.from(text, "base64");
}

let bytes: Uint8Array | undefined;

/** The executor for this machine. */
export function executor(): Uint8Array {
  bytes ??= embedded() ?? readFileSync(onDisk() ?? missing());
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

/** A file to execute it from. One that was made for this is gone when `executed` is called, or this thread ends. */
export function executorFile(): { readonly path: string; readonly executed: () => void } {
  const path = onDisk();
  if (path !== undefined) return { path, executed: () => {} };
  const name = `caisson-${process.pid}-${crypto.randomUUID().replaceAll("-", "")}`;
  const made = join(executableDirectory(hostFacts()), name);
  // Everybody may make files in /dev/shm: what is there already is not written to, wherever it leads.
  writeFileSync(made, executor(), { mode: 0o700, flag: "wx" });
  const remove = () => rmSync(made, { force: true });
  process.once("exit", remove);
  return {
    path: made,
    executed() {
      process.off("exit", remove);
      remove();
    },
  };
}
