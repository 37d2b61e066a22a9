import { join } from "node:path";
import { freezersAbove, freezerWrite } from "../cgroups/freezer.ts";
import { hierarchies } from "../cgroups/layout.ts";
import { layoutFor } from "../cgroups/look.ts";
import type { Process } from "../compile/spec.ts";
import { STATE_FILES } from "../compile/state.ts";
import { groupPathOf, groupsToEnter } from "../container/group-path.ts";
import type { Running } from "../container/state.ts";
import { hostFacts } from "../host/facts.ts";
import type { Program } from "../program/types.ts";
import { type Condition, linkNow, modeNow, sameNow, textNow } from "../remember/conditions.ts";
import { withStandIns } from "../remember/given-environment.ts";
import type { Given } from "../remember/places.ts";
import { machineNow, rememberThis } from "./keep.ts";

/** That it is the same container, which runs, in the same groups, and that users have the same numbers in it. */
function conditions(c: Running, supervisorGroup: string | undefined): Condition[] {
  const { directory, started, noted } = c;
  const path = groupPathOf(noted.name, noted.cgroup);
  const groups = [
    ...hierarchies(layoutFor(path)).map((h) => h.top + path),
    ...groupsToEnter(noted.name, noted.cgroup).groups.map((g) => g.path),
    ...(supervisorGroup === undefined ? [] : [supervisorGroup]),
  ];
  return [
    ...machineNow(),
    { kind: "held", path: join(directory, STATE_FILES.lock) },
    ...[STATE_FILES.state, STATE_FILES.started].map((file) => sameNow(join(directory, file))),
    // The one is this container's alone, and the other a process has only until it ends.
    ...["pid", "mnt"].map((ns) => linkNow(`/proc/${started.pid}/ns/${ns}`)),
    ...[...new Set(groups)].map((group) => modeNow(group, "followed")),
    // It is not paused.
    ...freezersAbove(layoutFor(path), path).map(({ freezer }) => textNow(freezerWrite(freezer, true).path)),
    ...["passwd", "group"].map((file) => sameNow(join(noted.spec.root?.path ?? "/", "etc", file))),
  ];
}

/** Keeps the program of an `exec`, of which `own` has no words, for the next time that the same options are given for the same container, as `rememberThis` has it. */
export function rememberExec(
  given: Given,
  c: Running,
  own: Process,
  file: string,
  compile: (process: Process) => Program,
  supervisorGroup: string | undefined,
): ReturnType<typeof rememberThis> {
  const { arch, gid, bounding } = hostFacts();
  const program = compile({ ...own, env: withStandIns(own.env ?? [], given.names) });
  return rememberThis(given, program, file, () => ({
    arch,
    gid,
    bounding,
    conditions: conditions(c, supervisorGroup),
  }));
}
