import type { Job } from "../compile/job.ts";
import type { Seccomp } from "../compile/spec.ts";
import { withState } from "../container/noted.ts";
import type { Prepared } from "../container/prepare.ts";
import { start } from "../container/start.ts";
import { KILL_EVERYTHING, PASSED_ON } from "../kernel/signals.ts";
import type { Values } from "./option-table.ts";
import { complain } from "./output.ts";
import { checkWritable, writeOutput } from "./output-file.ts";

/** All calls that were made are allowed, and no other. */
const profileOf = (names: readonly string[], architectures: readonly string[] | undefined): Seccomp => ({
  defaultAction: "SCMP_ACT_ERRNO",
  ...(architectures && { architectures }),
  syscalls: [{ names, action: "SCMP_ACT_ALLOW" }],
});

const INHERIT = { kind: "inherit" } as const;

/** The command stays, to answer system calls: the container is its child, with its own streams. */
export async function runHere(
  p: Prepared,
  command: readonly string[],
  v: Values,
  terminal: Pick<Job, "terminal">,
): Promise<number> {
  if (typeof v["learn"] === "string") checkWritable("--learn", v["learn"]);
  const noted = await withState(p, command);
  const started = await start({ ...noted, job: { ...noted.job, ...terminal } }, [INHERIT, INHERIT, INHERIT]);
  // What the terminal's keys send, the supervisor gets as well, and passes on.
  for (const signal of PASSED_ON) process.on(signal, () => {});
  process.on("SIGTERM", () => started.kill(KILL_EVERYTHING));
  const ending = await started.ended;
  const { blocked = [], failures = [], learned = new Set<string>() } = p.answers ?? {};
  for (const e of failures) complain(e.message);
  for (const b of blocked) {
    const args = b.args.map((a) => `0x${a.toString(16)}`).join(", ");
    complain(`${b.action} by its seccomp profile: ${b.name}(${args}) of process ${b.pid}`);
  }
  if (typeof v["learn"] === "string") {
    const profile = profileOf([...learned].sort(), p.spec.linux?.seccomp?.architectures);
    writeOutput("--learn", v["learn"], `${JSON.stringify(profile, null, 2)}\n`);
  }
  return ending.exitCode;
}
