import { hostFacts } from "../../host/facts.ts";
import type { Global } from "../context.ts";
import { prepareExec } from "../exec.ts";
import { type ExecOptions, processOf } from "../exec-process.ts";
import { warn } from "../log.ts";
import { type Container, running } from "../state.ts";
import { isSame, keep, standingIn, tryToKeep } from "./keep.ts";
import { othersOf } from "./lasting.ts";
import { lookedAtInside } from "./looked-at.ts";

/** Keeps the program of `exec` for the next time that the same is to be executed in the same container. */
export const keepExec = (...given: Parameters<typeof make>): Promise<void> => tryToKeep(() => make(...given));

async function make(
  g: Global,
  c: Container,
  command: readonly string[],
  o: ExecOptions,
  checks: string,
): Promise<void> {
  const others = othersOf(g.words).map(standingIn);
  const pidFile = others[0]?.standsFor ?? o.pidFile;
  const compiled = async (options: ExecOptions) => {
    const own = processOf(c, options, command, (message) => warn(g.log, message));
    return (await prepareExec(g, c, own, { ...options, again: true })).program;
  };
  // Compiled before and after the look, it is the same: so all of it was then as the look says.
  const program = await compiled({ ...o, pidFile });
  const conditions = lookedAtInside(c, running(c, "created", "running"));
  const at = g.words.findIndex((w) => w === "--process" || w === "-p");
  if (!conditions || !isSame(program, await compiled(o), others)) return;
  keep(g, checks, others, {
    program,
    facts: hostFacts(),
    conditions,
    ...(o.process !== undefined && { file: at + 1 }),
  });
}
