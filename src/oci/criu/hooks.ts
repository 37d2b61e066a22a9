import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "../../compile/spec.ts";
import { readOr } from "../../host/files.ts";
import type { Bundle } from "../bundle.ts";
import type { Global } from "../context.ts";
import { performHooks } from "../hooks.ts";
import { directoryOf } from "../places.ts";
import { loadFrom, parseStat } from "../state.ts";

/** The script that criu is given, in the container's state directory while it is restored. */
export const HOOKS = "criu-hooks";

/** Those that are for a container whose namespaces were just made, as at its creation: networks are connected then. */
const kinds = ["prestart", "createRuntime"] as const;
export const hasHooks = (spec: Spec): boolean => kinds.some((kind) => spec.hooks?.[kind]?.length);

const quoted = (word: string) => `'${word.replaceAll("'", "'\\''")}'`;

/** criu executes it at each stage, and waits; the first process is there at this one, and not restored yet. criu(8) "--action-script". */
export function writeHooks(g: Global, b: Bundle): void {
  const words = [...g.self, "__restored", g.root, b.id].map(quoted).join(" ");
  const script = `#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" = setup-namespaces ] || exit 0\nexec ${words} "$CRTOOLS_INIT_PID"\n`;
  writeFileSync(join(b.directory, HOOKS), script, { mode: 0o700 });
}

/** What went wrong: criu keeps to itself what the script says. */
const WRONG = "criu-hook-failed";
export const failedHook = (b: Bundle): string | undefined => readOr(join(b.directory, WRONG));

/** What the script becomes. */
export function restoredHooks(words: readonly string[]): number {
  const [root = "", id, pid = ""] = words;
  const c = loadFrom(directoryOf(root, id), id ?? "");
  const init = parseStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  for (const kind of kinds) {
    const [wrong] = performHooks({ ...c, init }, kind, "creating", true);
    if (wrong === undefined) continue;
    writeFileSync(join(c.directory, WRONG), wrong, { mode: 0o600 });
    return 1;
  }
  return 0;
}
