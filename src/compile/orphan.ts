import type { SectionBuilder } from "../program/builder.ts";
import { pollFor, timespec } from "../program/poll.ts";

/**
 * Ends whose supervisor has ended before it could be asked to be told of that: PR_SET_PDEATHSIG is for later ends only, and in
 * a PID namespace of its own the process cannot see that its parent is another. `pipe` is one that the supervisor reads from: that
 * it is closed comes before the signal (exit_files and exit_notify of Linux's do_exit), so that one of both is seen.
 */
export function endIfOrphaned(s: SectionBuilder, pipe: number): void {
  const gone = s.get("is the supervisor still there?", "ppoll", [pollFor(s, pipe, 0), 1, timespec(0), 0, 8]);
  s.skipIf(gone, "==", 0, () => s.exit(0));
}
