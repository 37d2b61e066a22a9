import { openHow } from "../compile/context.ts";
import { STATE_FILES } from "../compile/state.ts";
import type { Arch } from "../kernel/arch.ts";
import { errno } from "../kernel/errno.ts";
import { AT_FDCWD, LOCK, O, RESOLVE } from "../kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import { ANY, type Program, type Slot } from "../program/types.ts";
import { argument, type Loose, toValue } from "../program/values.ts";
import { openState } from "./container.ts";
import { forEngine, leaveGone, needProc, tell, tellEngine } from "./engine.ts";
import { freeze, thaw } from "./freeze.ts";
import { remembered } from "./remembered.ts";
import { ifSame } from "./words.ts";

const STATE = "/run/caisson/containers";

/** `body` is performed for a container of exactly this name that runs: its supervisor holds the lock. */
function withRunning(s: SectionBuilder, name: Loose, body: (directory: Slot) => void): void {
  const how = openHow(O.PATH | O.DIRECTORY, RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS);
  const top = s.get("open the state", "openat", [AT_FDCWD, STATE, O.PATH | O.DIRECTORY | O.CLOEXEC, 0], ANY);
  const directory = s.get("open the container", "openat2", [top, name, how, how.bytes.length], ANY);
  const open = (file: string) => openState(s, { directory }, file, O.RDONLY);
  const [lock, started] = [open(STATE_FILES.lock), open(STATE_FILES.started)];
  const held = s.get("is it looked after?", "flock", [lock, LOCK.EX | LOCK.NB], ANY);
  s.skipIf(started, "<", 0, () => s.skipIf(held, "!=", -errno("EAGAIN"), () => body(directory)));
  for (const fd of [lock, started, directory, top]) s.call("close what was for that", "close", [fd], ANY);
}

/** Commands that are over before an engine would have compiled anything. */
const BRIEF = "run exec ps rm kill stop wait logs inspect diff compile explain update group __after".split(" ");
/** Options with which the engine stays, to answer. They are looked for where options are. */
const RESIDENT = ["--answer", "--report-blocked", "--learn", "--view", "--date", "--json"];
const RESIDENT_PLACES = 8;

/** Commands that are given in a directory on purpose. */
const OF_HERE = ["run", "explain", "compile", "cp", "group"] as const;

/** Commands of which the programs are kept (src/cli/remember.ts, src/cli/remember-exec.ts). */
const KEPT = ["run", "exec"] as const;

/**
 * A `caisson run` or `exec` that was given before, and `caisson pause NAME` and `unpause NAME`, of root's containers and by their whole names, before any JavaScript is loaded: to
 * stop something takes less than an engine takes to start. All else is the engine's (src/cli).
 */
export function commandFront(arch: Arch): Program {
  const program = new ProgramBuilder(arch);
  const s = program.section("pause and unpause");
  const told = forEngine(s);
  const root = s.get("ask who this is", "geteuid", [], ANY);
  const when = (verb: string, body: (directory: Slot) => void) =>
    ifSame(s, argument(1), verb, () => withRunning(s, argument(2), body));
  s.skipIf(root, "!=", 0, () =>
    s.skipIf(toValue("CAISSON_ROOT="), "environment", 0, () => {
      const kept = program.slot("may its program be kept?");
      s.let(kept, 0);
      for (const verb of KEPT) ifSame(s, argument(1), verb, () => s.let(kept, 1));
      s.skipIf(kept, "==", 0, () => remembered(s));
      s.skipIf(argument(2), "==", 0, () =>
        s.skipIf(argument(3), "!=", 0, () => {
          when("pause", (directory) => freeze(s, directory));
          when("unpause", (directory) => thaw(s, directory));
        }),
      );
    }),
  );
  // Whoever is still here goes on to the engine.
  needProc(s, "caisson", 125);
  const isOfHere = program.slot("does it matter where this is?");
  s.let(isOfHere, 0);
  for (const verb of OF_HERE) ifSame(s, argument(1), verb, () => s.let(isOfHere, 1));
  leaveGone(s, () =>
    s.skipIf(isOfHere, "==", 0, () =>
      tell(s, "say that it is gone", "caisson: the working directory is no more: cd to one that is\n", 125),
    ),
  );
  tellEngine(s, told.brief, { places: 1, words: BRIEF, unless: { places: RESIDENT_PLACES, words: RESIDENT } });
  return program.build();
}
