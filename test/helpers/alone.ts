import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { caisson } from "./command.ts";

/** KB of address space: enough for the executor, and for no engine of JavaScript. */
const TOO_LITTLE = 300_000;

const { CAISSON_ROOT: _, ...environment } = process.env;

export { environment };

type How = {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly before?: string;
  readonly binary?: string;
};

/** What a shell does first, so that only what needs no engine succeeds. */
export const WITH_TOO_LITTLE = `ulimit -c 0; ulimit -v ${TOO_LITTLE};`;

/** Performed by a shell that does `first` before. Its streams are files in a directory: those of a pipe would end with the container that gets them. */
export function performInto(files: string, words: readonly string[], o: How & { readonly binary: string }, first = "") {
  const { cwd = "/", env = environment, before = "exec", binary } = o;
  const [out, err] = [join(files, "out"), join(files, "err")];
  const script = `${first} exec </dev/null >${out} 2>${err}; ${before} "$@"`;
  const { status } = spawnSync("bash", ["-c", script, "bash", binary, ...words], { cwd, env, stdio: "ignore" });
  return { code: status, out: readFileSync(out, "utf8"), err: readFileSync(err, "utf8") };
}

/** Only what needs no engine succeeds here. `before` is what a shell does first: to itself, or as a prefix of the command ending in "exec". */
export function alone(
  words: readonly string[],
  { env = environment, cwd, before = "exec", binary = caisson }: How = {},
) {
  const script = `${WITH_TOO_LITTLE} ${before} "$@"`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script, "bash", binary, ...words], {
    ...{ env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
    ...(cwd && { cwd }),
  } as const);
  return { code: status, out: stdout, err: stderr };
}
