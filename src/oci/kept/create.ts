import { workingDirectory } from "../../host/given.ts";
import { withTimeNow } from "../../remember/given-time.ts";
import type { Global } from "../context.ts";
import { type CreateOptions, prepareCreate } from "../create.ts";
import { isSame, keep, standingIn, tryToKeep } from "./keep.ts";
import { othersOf } from "./lasting.ts";
import { lookedAt } from "./looked-at.ts";

/** Keeps the program of `create` or `run` for the next time that these words are given, with any id. */
export const keepCreate = (g: Global, id: string, o: CreateOptions, checks: string): Promise<void> =>
  tryToKeep(() => make(g, id, o, checks));

async function make(g: Global, id: string, o: CreateOptions, checks: string): Promise<void> {
  const others = othersOf(g.words).map(standingIn);
  const named = (called: string) => others.find((x) => x.called === called)?.standsFor;
  const created = `${new Date().toISOString().slice(0, "2026-11-26T00:00:00".length)}.000Z`;
  const pidFile = named("PIDFILE") ?? o.pidFile;
  // Compiled before and after the look, it is the same: so all of it was then as the look says.
  const general = await prepareCreate(g, named("ID"), { ...o, pidFile, created });
  const conditions = lookedAt(g, general.bundle);
  const own = await prepareCreate(g, id, { ...o, created });
  if (!conditions || own.bundle.text.includes(created) || !isSame(general.program, own.program, others)) return;
  if (!conditions.some((c) => c.kind === "text" && c.text === own.bundle.text)) return;
  const program = withTimeNow(general.program, created);
  keep(g, checks, others, {
    program,
    facts: own.bundle.facts,
    conditions,
    bundle: own.bundle.bundle,
    cwd: workingDirectory(),
  });
}
