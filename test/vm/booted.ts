import { layout } from "../../src/cgroups/look.ts";
import { isSystemd } from "../../src/cgroups/scope.ts";
import { isRoot } from "../helpers/machine.ts";

const booted = isRoot && isSystemd() && layout().v2 !== undefined;

/** Whether tests are left out that need systemd and a program, and why. */
export function without(program: string): { readonly skip: boolean; readonly why: string } {
  if (!booted) return { skip: true, why: " (skipped: systemd is not this machine's first process)" };
  const missing = !Bun.which(program);
  return { skip: missing, why: missing ? ` (skipped: ${program} is not installed)` : "" };
}
