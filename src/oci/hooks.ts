import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import type { Hook, HookKind } from "../compile/spec.ts";
import { filesForHooks } from "./annotations.ts";
import { ownEnvironment } from "./context.ts";
import { type Container, type Status, stateOf } from "./state.ts";

/** One that is given none has this process's. */
const environmentOf = ({ env }: Hook): NodeJS.ProcessEnv =>
  env === undefined
    ? ownEnvironment()
    : Object.fromEntries(env.map((e) => [e.slice(0, e.indexOf("=")), e.slice(e.indexOf("=") + 1)] as const));

/** Why a hook failed; `undefined` if it did not. */
function failure(hook: Hook, state: object, files: readonly (string | undefined)[]): string | undefined {
  const [, ...args] = hook.args ?? [];
  const ended = spawnSync(hook.path, args, {
    argv0: hook.args?.[0] ?? hook.path,
    input: JSON.stringify(state),
    env: environmentOf(hook),
    ...(hook.timeout !== undefined && { timeout: hook.timeout * 1000, killSignal: "SIGKILL" }),
  });
  for (const [i, file] of files.entries())
    if (file !== undefined) appendFileSync(file, (i === 0 ? ended.stdout : ended.stderr) ?? "");
  const said = `${ended.stdout ?? ""}${ended.stderr ?? ""}`.trim();
  // A hook that does not read its input is not wrong for that.
  const code = (ended.error as NodeJS.ErrnoException | undefined)?.code;
  if (code === "ETIMEDOUT") return "its time was over";
  if (ended.error && code !== "EPIPE") return ended.error.message;
  if (ended.status === 0) return undefined;
  const how = ended.signal ? `ended by ${ended.signal}` : `exit status ${ended.status}`;
  return said === "" ? how : `${how}: ${said}`;
}

/** Performs the hooks of a kind; gives what went wrong, hook by hook. With `stop` the first that fails is the last. */
export function performHooks(c: Container, kind: HookKind, status: Status, stop: boolean): string[] {
  const failures: string[] = [];
  const files = filesForHooks(c.saved.bundle, c.saved.spec);
  for (const [i, hook] of (c.saved.spec.hooks?.[kind] ?? []).entries()) {
    const why = failure(hook, stateOf(c, status), files);
    if (why === undefined) continue;
    failures.push(`error running hook ${kind}[${i}] ${hook.path}: ${why}`);
    if (stop) break;
  }
  return failures;
}
