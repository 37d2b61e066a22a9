import { P_PID, WEXITED } from "../kernel/flags.ts";
import type { ProgramBuilder, SectionBuilder } from "./builder.ts";

/** Steps in a process of their own, for what the one that starts it must not become. A failure there is one here, too. */
export function inWorker(
  s: SectionBuilder,
  program: ProgramBuilder,
  name: string,
  write: (worker: SectionBuilder) => void,
): void {
  const worker = program.section(name);
  write(worker);
  worker.exit(0);
  const pid = s.spawn("start a worker", worker);
  s.call("wait for it", "waitid", [P_PID, pid, 0, WEXITED, 0]);
  s.check("did it work?");
}
