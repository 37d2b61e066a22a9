import { errno } from "../kernel/errno.ts";
import type { SectionBuilder } from "../program/builder.ts";
import { stringArray } from "../program/values.ts";
import type { Process } from "./spec.ts";

/** Where a command without a slash is looked for when PATH is not set (execvp(3)). */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const ENOENT = errno("ENOENT");
const EACCES = errno("EACCES");

/** The label of the step which becomes the command; what fails there is 126 or 127, all before it 125. */
export const EXEC_LABEL = "execute ";

/** execve(2) of the command, looked for in PATH as a shell does: a file that can't be executed is only told of last. */
export function executeCommand(process: Process, s: SectionBuilder): void {
  const [file = ""] = process.args;
  const argv = stringArray("argv", process.args);
  const envp = stringArray("envp", process.env ?? []);
  const label = `${EXEC_LABEL}${file}`;
  if (file.includes("/")) {
    s.call(label, "execve", [file, argv, envp]);
    return;
  }
  const path = process.env?.find((e) => e.startsWith("PATH="))?.slice(5) ?? DEFAULT_PATH;
  const tried = path
    .split(":")
    .map((directory) =>
      s.get(label, "execve", [`${directory || "."}/${file}`, argv, envp], { ignore: ["ENOENT", "ENOTDIR", "EACCES"] }),
    );
  for (const slot of tried) s.skipIf(slot, "!=", -EACCES, () => s.fail(label, EACCES));
  s.fail(label, ENOENT);
}
