import { errno } from "../kernel/errno.ts";
import { P_PID, WEXITED } from "../kernel/flags.ts";
import type { ProgramBuilder, SectionBuilder } from "./builder.ts";

/** Steps in a process of their own, for what the one that starts it must not become. A failure there is one here, too. */
export function inWorker<T>(
  s: SectionBuilder,
  program: ProgramBuilder,
  name: string,
  write: (worker: SectionBuilder) => T,
): T {
  const worker = program.section(name);
  const done = program.slot("is the worker done?");
  s.let(done, 0);
  const made = write(worker);
  worker.let(done, 1);
  worker.exit(0);
  const pid = s.spawn("start a worker", worker);
  s.call("wait for it", "waitid", [P_PID, pid, 0, WEXITED, 0]);
  s.check("did it work?");
  // A signal ended it.
  s.skipIf(done, "==", 1, () => s.fail(name, errno("ETIMEDOUT")));
  return made;
}
