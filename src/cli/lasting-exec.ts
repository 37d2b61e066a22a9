import { statSync } from "node:fs";
import { join } from "node:path";
import { layout } from "../cgroups/look.ts";
import { isNew } from "../compile/context.ts";
import { STATE_FILES } from "../compile/state.ts";
import type { Running } from "../container/state.ts";
import { hostFacts } from "../host/facts.ts";
import { readOr } from "../host/files.ts";
import { namesForOnce } from "../remember/environment-words.ts";
import type { Given } from "../remember/places.ts";
import { isOfWords, optionsBefore } from "./lasting.ts";
import { list, type Values } from "./option-table.ts";

/** Options whose effect follows from their words, and from what remember-exec.ts looks at. */
const OPTIONS = new Set(["env", "workdir", "user", "interactive"]);

/** How a program for these words is kept, if one can be: for this very container, whatever the command and wherever it is given. */
export function execGivenAs(c: Running, v: Values, command: readonly string[]): Given | undefined {
  const { spec, cgroup, name } = c.noted;
  const words = optionsBefore(command);
  const isLasting =
    isOfWords(v, hostFacts(), OPTIONS) &&
    words?.at(-1) === name &&
    // By it the container is known, and not another one that has the number of its first process.
    isNew(spec, "pid") &&
    !cgroup.delegated &&
    !layout().v2?.scope &&
    // What the container has for once is in no file.
    readOr(`/proc/${c.started.supervisor}/environ`) === "";
  return isLasting ? { cwd: undefined, words, names: namesForOnce(words, list(v, "env")) } : undefined;
}

/** Which container of that name it was. */
export function noteOf({ directory }: Running): string {
  const { ino, mtimeMs } = statSync(join(directory, STATE_FILES.started), { throwIfNoEntry: false }) ?? {};
  return `${ino} ${mtimeMs}`;
}
