import { statSync } from "node:fs";
import type { Process, Spec } from "../compile/spec.ts";
import { homeOf } from "../container/users.ts";
import { readOr } from "../host/files.ts";

const nameOf = (entry: string): string => entry.split("=", 1)[0] ?? "";

/** Of entries with one name the last counts, at the place of the first: execve(2) would hand over all of them. */
function withoutDoubles(env: readonly string[]): readonly string[] {
  const last = new Map(env.map((entry) => [nameOf(entry), entry] as const));
  return last.size === env.length ? env : [...last.values()];
}

/** passwd(5) of the container: of its root filesystem, or what is bound over that. */
function homeFor(spec: Spec, uid: number): string {
  const bound = spec.mounts?.findLast((m) => m.destination === "/etc/passwd")?.source;
  const isFile = bound !== undefined && statSync(bound, { throwIfNoEntry: false })?.isFile();
  return homeOf(isFile ? { text: readOr(bound) ?? "" } : { root: spec.root?.path ?? "/" }, uid);
}

/** What a process has in its environment: as it is given, and HOME, which engines leave to the runtime. */
export function withEnvironment(process: Process, spec: Spec): Process {
  const env = withoutDoubles(process.env ?? []);
  const home = env.find((entry) => nameOf(entry) === "HOME");
  if (home !== undefined && home !== "HOME=") return { ...process, env };
  const others = env.filter((entry) => entry !== home);
  return { ...process, env: [...others, `HOME=${homeFor(spec, process.user.uid)}`] };
}
