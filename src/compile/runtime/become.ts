import { PR } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import { buffer } from "../../program/values.ts";
import { probeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { becomeUser, lastRights } from "../init.ts";
import { loadSeccomp, notifies } from "../seccomp.ts";
import type { Process } from "../spec.ts";
import type { Numbers } from "./descriptors.ts";

/** Whether a filter that asks is in force while there is still much to do: without no_new_privs it is loaded before rights are given up. */
export const listensEarly = (c: Context, process: Process): boolean =>
  notifies(c.spec.linux?.seccomp) && !process.noNewPrivileges;

/**
 * The process becomes who it is to be, and says so. Once a filter that asks is in force, each call may wait for its
 * answer: so nothing but write(2) is done before whoever answers has the listener (`handListener`).
 */
export function becomeReady(c: Context, s: SectionBuilder, process: Process, n: Numbers, entered?: Slot): void {
  const filtered = () => {
    if (!listensEarly(c, process)) return;
    s.call("say that the filter is in force", "write", [n.ready, "!", 1]);
    const told = s.get("wait until somebody answers", "read", [n.settled, buffer("one byte", 1), 1]);
    s.skipIf(told, "==", 1, () => s.exit(0));
  };
  becomeUser(c, process, s, { filtered, entered });
  probeCommand(process, s);
  lastRights(s);
  if (process.noNewPrivileges && notifies(c.spec.linux?.seccomp)) {
    s.call("never gain privileges again", "prctl", [PR.SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
    loadSeccomp(c, s);
  }
  s.call("say that it is ready", "write", [n.ready, "!", 1]);
}
