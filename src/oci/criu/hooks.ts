import { readFileSync } from "node:fs";
import { parseStat } from "../../host/identity.ts";
import type { Bundle } from "../bundle.ts";
import { performHooks } from "../hooks.ts";

/** Those that are for a container whose namespaces were just made, as at its creation: networks are connected then. */
const kinds = ["prestart", "createRuntime"] as const;

/** Performs them: the first process is there, and not restored yet. Gives what went wrong. */
export function restoredHooks({ directory, saved }: Bundle, pid: number): string | undefined {
  const init = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  for (const kind of kinds) {
    const [wrong] = performHooks({ directory, saved, init }, kind, "creating", true);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
