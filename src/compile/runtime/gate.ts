import { errno } from "../../kernel/errno.ts";
import { PR } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import { buffer } from "../../program/values.ts";
import type { Context } from "../context.ts";
import { confineProcess, execute } from "../init.ts";
import { resetAffinity } from "../process.ts";
import { storeFailureAt } from "../record.ts";
import { notifies } from "../seccomp.ts";
import type { Process } from "../spec.ts";
import { becomeReady } from "./become.ts";
import type { Numbers } from "./descriptors.ts";
import { runHooks } from "./hooks.ts";
import { FAILURE_RECORD, type Lifecycle } from "./lifecycle.ts";
import { ownNull } from "./null.ts";

/** Where the wait begins, in the first process: what fails from there on, `start` has to say. */
export type Gate = { readonly from: number };

/**
 * The end of what `create` does, and the beginning of what `start` does. Until it is told that its creation is written
 * down, this process ends with whoever creates it; from then on it is on its own, and waits at a FIFO of the state
 * directory.
 */
export function writeGate(c: Context, s: SectionBuilder, l: Lifecycle, process: Process, n: Numbers): Gate {
  const { seccomp } = c.spec.linux ?? {};
  const listening = notifies(seccomp);
  ownNull(s);
  resetAffinity(s);
  becomeReady(c, s, process, n);
  const told = s.get("wait until that is written down", "read", [n.settled, buffer("one byte", 1), 1]);
  // Nothing was said: whoever was to say it is gone.
  s.skipIf(told, "==", 1, () => s.fail("be written down", errno("ECANCELED")));
  s.call("live on when the runtime ends", "prctl", [PR.SET_PDEATHSIG, 0, 0, 0, 0]);
  for (const fd of [n.ready, n.settled]) s.call("let go of the runtime", "close", [fd]);

  const from = s.length;
  s.call("wait for the start", "read", [n.go, buffer("one byte", 1), 1]);
  s.call("close the FIFO", "close", [n.go]);
  if (c.spec.hooks?.startContainer?.length) {
    const pid = s.get("ask for the own pid", "getpid", []);
    // What they execute is the container's: they are kept in as its command is.
    const confine = (hook: SectionBuilder) => confineProcess(c, process, hook, listening);
    runHooks(c, s, l, { kind: "startContainer", status: "created", pid, said: n.said, confine });
  }
  execute(c, process, s, listening);
  return { from };
}

/** What failed, for `start`: it reads the FIFO until this end of it closes. */
export function writeFailed(s: SectionBuilder, n: Numbers): void {
  const record = buffer("failure", FAILURE_RECORD);
  storeFailureAt(s, record);
  s.call("say what failed", "write", [n.done, record, FAILURE_RECORD], { ignore: "all" });
}
