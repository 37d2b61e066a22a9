import { PR } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Context } from "./context.ts";
import { loadOwnFilter } from "./seccomp.ts";
import type { Seccomp } from "./spec.ts";

/** What the executor's "supervise" does, and its end; and what is done between this and that. */
const supervising: Seccomp = {
  defaultAction: "SCMP_ACT_ERRNO",
  syscalls: [
    {
      names: ["ppoll", "read", "wait4", "clock_gettime", "pidfd_send_signal", "exit_group", "close"],
      action: "SCMP_ACT_ALLOW",
    },
    { names: ["prctl"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: PR.SET_DUMPABLE, op: "SCMP_CMP_EQ" }] },
  ],
};

/**
 * For a first process that only reaps and passes signals on. Whoever enters later needs the access to it that a tracer
 * has (setns(2)), and to one that is closed to ptrace only root has it. So a user's is opened again, once a filter
 * leaves it so little that nothing is gained by tracing it: what the container may not do itself, it may not either.
 */
export function letUsersEnter(c: Context, s: SectionBuilder): void {
  if (c.facts.uid === 0) return;
  s.call("gain nothing by an exec", "prctl", [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
  loadOwnFilter(c, s, "do no more than to reap and to signal", supervising);
  s.call("be open to who enters", "prctl", [PR.SET_DUMPABLE, 1, 0, 0, 0]);
}
