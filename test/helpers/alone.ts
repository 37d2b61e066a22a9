import { spawnSync } from "node:child_process";
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

/** Only what needs no engine succeeds here. `before` is what a shell does first: to itself, or as a prefix of the command ending in "exec". */
export function alone(
  words: readonly string[],
  { env = environment, cwd, before = "exec", binary = caisson }: How = {},
) {
  const script = `ulimit -c 0; ulimit -v ${TOO_LITTLE}; ${before} "$@"`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script, "bash", binary, ...words], {
    ...{ env, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
    ...(cwd && { cwd }),
  } as const);
  return { code: status, out: stdout, err: stderr };
}
