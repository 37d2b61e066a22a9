import { CLONE, P_PID, WEXITED } from "../kernel/flags.ts";
import { CLONE_ARGS_CGROUP, cloneArgs, type SectionBuilder } from "../program/builder.ts";
import { ANY, type Slot } from "../program/types.ts";
import { type Loose, low } from "../program/values.ts";
import { type Beside, makeBeside, prepareBeside } from "./beside.ts";
import { enterGroups, type Groups, spawnInGroup } from "./cgroup.ts";
import { endChild } from "./child.ts";
import { type Context, isNew } from "./context.ts";
import { cloneFlags, enterNamespaces, needsEntering, prepareTime } from "./namespaces.ts";
import { adjustOomOf, adjustOwnOom } from "./oom.ts";
import { leaveSpare } from "./spare.ts";

export type Born = {
  readonly pid: Slot;
  readonly pidfd: Loose;
  /** Who entered namespaces for it, and bore it there. */
  readonly between?: Slot;
  readonly beside?: Beside;
};

const SIGKILL = 9;

/**
 * Clones the first process. What must be entered before it is born is entered by a process in between, so that this
 * one, and the hooks that it starts, stay in the host's namespaces; the first process is this one's child all the same.
 */
export function bear(
  c: Context,
  s: SectionBuilder,
  sections: { readonly enter: () => SectionBuilder; readonly init: SectionBuilder },
  groups: Groups,
): Born {
  const { init } = sections;
  const beside = prepareBeside(c, s);
  const isMade = beside !== undefined || c.job.spare === true;
  const flags = BigInt(cloneFlags(c.spec, isMade ? ["network"] : []));
  if (!needsEntering(c.spec)) {
    const pidfd = c.program.slot("pidfd of the container");
    const args = cloneArgs({ flags: flags | BigInt(CLONE.PIDFD) | (groups.born ? CLONE.INTO_CGROUP : 0n), pidfd });
    if (groups.born) s.store(groups.born, args, CLONE_ARGS_CGROUP, 8);
    const pid = s.spawn("start the container", init, args);
    // It waits for its ids meanwhile.
    if (isNew(c.spec, "user")) adjustOomOf(c, s, pid);
    if (beside) makeBeside(s, beside);
    leaveSpare(c, s);
    return { pid, pidfd: low(pidfd), ...(beside && { beside }) };
  }
  const enter = sections.enter();
  const between = spawnInGroup(s, "start the one that enters namespaces", enter, groups.born);
  adjustOwnOom(c, enter);
  enterGroups(enter, groups.join);
  prepareTime(c, enter);
  enterNamespaces(c, enter);
  const args = cloneArgs({ flags: flags | BigInt(CLONE.PARENT) });
  const pid = enter.spawn("start the container as the caller's child", init, args);
  s.call("wait for the one that entered", "waitid", [P_PID, between, 0, WEXITED, 0], { ignore: ["ECHILD"] });
  s.check("were the namespaces entered?");
  return { pid, pidfd: s.get("find the container", "pidfd_open", [pid, 0]), between };
}

/** Also one whose birth nobody has heard of yet: its groups could not go before it does. */
export function endBorn(s: SectionBuilder, { pid, pidfd, between }: Born): void {
  if (between) {
    s.call("wait for the one that entered", "waitid", [P_PID, between, 0, WEXITED, 0], ANY);
    // Nobody else reaps it, so the number is still its own.
    s.skipIf(pidfd, ">", -1, () =>
      s.skipIf(pid, "<", 1, () => {
        s.call("end the container", "kill", [pid, SIGKILL], ANY);
        s.call("reap the container", "waitid", [P_PID, pid, 0, WEXITED, 0], ANY);
      }),
    );
  }
  endChild(s, "the container", pidfd);
}

/** The groups that the first process enters by itself. */
export const leftToEnter = (c: Context, groups: Groups): readonly Slot[] => (needsEntering(c.spec) ? [] : groups.join);
