import { join } from "node:path";
import { hasHooks } from "../../compile/runtime/hooks.ts";
import { isToBeKept } from "../../remember/seen.ts";
import type { Bundle } from "../bundle.ts";
import type { Global } from "../context.ts";
import type { CreateOptions } from "../create.ts";
import { checksOfBundle, checksOfLine, isLasting, isOfEngine, noteOf } from "./lasting.ts";

/** Keeps what is compiled for the next time that the like is given, if that can be and is of use. */
export async function keepForNext(g: Global, o: CreateOptions, b: Bundle): Promise<void> {
  if (!isLasting(g, o, b)) return;
  if (isOfEngine(g.words, b.id)) {
    const checks = checksOfBundle(g, o, b.spec);
    if (checks !== undefined && isToBeKept(checks))
      await (await import("./engine.ts")).keepForEngine(g, b.id, { ...o, text: b.text }, checks);
    return;
  }
  // Hooks that are given no environment have the runtime's, which is to be the same; the program for an engine's bundle has it handed on.
  const checks = hasHooks(b.spec) ? undefined : checksOfLine(g);
  if (checks !== undefined && isToBeKept(checks, noteOf(join(b.bundle, "config.json"), g.words)))
    await (await import("./create.ts")).keepCreate(g, b.id, o, checks);
}
