import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { argument, argumentsFrom, buffer, type Loose, stringArray, textBlock } from "../program/values.ts";
import type { Process } from "./spec.ts";

/** Where a command without a slash is looked for when PATH is not set (execvp(3)). */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const ENOENT = errno("ENOENT");
const EACCES = errno("EACCES");

/** The label of the step which becomes the command; what fails there is 126 or 127, all before it 125. */
export const EXEC_LABEL = "execute ";

const pathOf = (process: Process) => process.env?.find((e) => e.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
const candidates = (process: Process, file: string) =>
  file.includes("/")
    ? [file]
    : pathOf(process)
        .split(":")
        .map((directory) => `${directory || "."}/${file}`);

const X_OK = 1;
const ENOTDIR = errno("ENOTDIR");

/** Says that there is nothing to execute while whoever asked for it still listens. A filter may forbid the question. */
export function probeCommand(process: Process, s: SectionBuilder): void {
  const [file = ""] = process.args;
  const label = `${EXEC_LABEL}${file}`;
  const slots: Slot[] = [];
  const probe = ([path, ...others]: readonly string[]): void => {
    if (path === undefined) {
      for (const slot of slots) s.skipIf(slot, "!=", -EACCES, () => s.fail(label, EACCES));
      for (const code of [ENOENT, ENOTDIR]) s.skipIf(slots.at(-1) ?? 0, "!=", -code, () => s.fail(label, ENOENT));
      return;
    }
    const found = s.get(`look for ${path}`, "faccessat", [AT_FDCWD, path, X_OK], { ignore: "all" });
    slots.push(found);
    s.skipIf(found, "!=", 0, () => {
      // Of a directory it says that it may be searched.
      const directory = s.get(
        `is ${path} a directory?`,
        "openat",
        [AT_FDCWD, path, O.PATH | O.DIRECTORY | O.CLOEXEC, 0],
        {
          ignore: "all",
        },
      );
      s.skipIf(directory, "<", 0, () => {
        s.call("close it", "close", [directory]);
        s.let(found, -EACCES);
      });
    });
    s.skipIf(found, "==", 0, () => probe(others));
  };
  probe(candidates(process, file));
}

/** A file that can't be executed is only told of last, as a shell does. */
function executeFirst(s: SectionBuilder, label: string, paths: readonly Loose[], argv: Loose, envp: Block): void {
  const tried = paths.map((path) =>
    s.get(label, "execve", [path, argv, envp], { ignore: ["ENOENT", "ENOTDIR", "EACCES"] }),
  );
  for (const slot of tried) s.skipIf(slot, "!=", -EACCES, () => s.fail(label, EACCES));
  s.fail(label, ENOENT);
}

/** execve(2) of the command, looked for in PATH. */
export function executeCommand(process: Process, s: SectionBuilder): void {
  const envp = stringArray("envp", process.env ?? []);
  const [file] = process.args;
  if (file === undefined) {
    executeGiven(process, s, envp);
    return;
  }
  const argv = stringArray("argv", process.args);
  const label = `${EXEC_LABEL}${file}`;
  if (file.includes("/")) s.call(label, "execve", [file, argv, envp]);
  else executeFirst(s, label, candidates(process, file), argv, envp);
}

const NAME_MAX = 255;

/** A command that is known only when the program is performed: what the executor was executed with after its own name. */
function executeGiven(process: Process, s: SectionBuilder, envp: Block): void {
  const [file, argv] = [argument(1), argumentsFrom(1)];
  const name = buffer("name of the command", NAME_MAX + 1);
  s.copy(file, name, 0, NAME_MAX, "/");
  // With a slash it is no name, and one that is too long is nobody's.
  s.skipIf(name, "same", file, () => s.call(EXEC_LABEL, "execve", [file, argv, envp]));
  const paths = candidates(process, "").map((directory) => {
    const path = textBlock(directory.padEnd(directory.length + NAME_MAX + 1, "\0"), directory);
    s.copy(file, path, new TextEncoder().encode(directory).length, NAME_MAX);
    return path;
  });
  executeFirst(s, EXEC_LABEL, paths, argv, envp);
}
