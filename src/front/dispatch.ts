import type { Arch } from "../kernel/arch.ts";
import { ProgramBuilder } from "../program/builder.ts";
import type { Program } from "../program/types.ts";
import { givenAgain } from "./again.ts";
import { withContainer } from "./container.ts";
import { forEngine, leaveGone, needProc, tellEngine } from "./engine.ts";
import { kill, pause, remove, resume, start, state } from "./verbs.ts";
import { readWords, VERBS } from "./words.ts";

const ROOT = "/run/caisson-oci";

/**
 * The small commands of the runtime, performed by the executor before any JavaScript is loaded: an engine gives one or
 * two of them for each container, and to start an engine of JavaScript takes longer than all that they do. What is said in an
 * unusual way, what goes wrong, and containers with hooks are left to the engine (src/oci), which begins at the beginning.
 */
export function smallCommands(arch: Arch): Program {
  const program = new ProgramBuilder(arch);
  const s = program.section("small commands");
  const told = forEngine(s);
  const said = readWords(s, ROOT);
  s.skipIf(said.verb, "==", 0, () =>
    withContainer(s, said, (f) => {
      s.skipIf(said.verb, "!=", VERBS.start, () => start(s, said, f));
      s.skipIf(said.verb, "!=", VERBS.state, () => state(s, said, f));
      s.skipIf(said.verb, "!=", VERBS.kill, () => kill(s, said, f));
      s.skipIf(said.verb, "!=", VERBS.pause, () => pause(s, said, f));
      s.skipIf(said.verb, "!=", VERBS.resume, () => resume(s, said, f));
      s.skipIf(said.verb, "!=", VERBS.delete, () => remove(s, said, f, false));
      s.skipIf(said.verb, "!=", VERBS["delete --force"], () => remove(s, said, f, true));
    }),
  );
  givenAgain(s, told.key);
  // Not "start" and "delete", which the shim is told, too: what it starts stays.
  const words = ["create", "run", "exec", "list", "ps", "update", "checkpoint", "__after"];
  needProc(s, "caisson-oci", 1);
  leaveGone(s);
  tellEngine(s, told.brief, { places: 8, words });
  return program.build();
}
