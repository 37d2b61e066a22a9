import { SECCOMP_FILTER_FLAG, SECCOMP_SET_MODE_FILTER } from "../kernel/flags.ts";
import type { SectionBuilder } from "../program/builder.ts";
import type { Block, Slot } from "../program/types.ts";
import { into, struct } from "../program/values.ts";
import { nativeArchitecture } from "../seccomp/architectures.ts";
import { assemble } from "../seccomp/assemble.ts";
import { filterBytes } from "../seccomp/bpf.ts";
import { prebuiltFilter } from "../seccomp/profile.ts";
import type { Context } from "./context.ts";
import { handOut } from "./notify.ts";
import type { Seccomp } from "./spec.ts";

const flagBits: Record<string, number> = {
  SECCOMP_FILTER_FLAG_TSYNC: SECCOMP_FILTER_FLAG.TSYNC,
  SECCOMP_FILTER_FLAG_LOG: SECCOMP_FILTER_FLAG.LOG,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: SECCOMP_FILTER_FLAG.WAIT_KILLABLE_RECV,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: SECCOMP_FILTER_FLAG.SPEC_ALLOW,
};

/** Whether some calls are answered by a process outside. */
export const notifies = (seccomp: Seccomp | undefined): boolean =>
  seccomp?.defaultAction === "SCMP_ACT_NOTIFY" ||
  (seccomp?.syscalls?.some((rule) => rule.action === "SCMP_ACT_NOTIFY") ?? false);

/** The file descriptor, in the process that loaded the filter, over which its notifications come. */
export const listenerSlot = (c: Context): Slot => c.program.shared("seccomp listener");

const assembled = new WeakMap<Seccomp, Uint8Array>();

/** The filter of these rules, if it was assembled, and one that was from rules which are the same. */
export const assembledFilter = (seccomp: Seccomp): Uint8Array | undefined => assembled.get(seccomp);
export const giveFilter = (seccomp: Seccomp, bytes: Uint8Array): void => {
  assembled.set(seccomp, bytes);
};

function filterOf(c: Context, seccomp: Seccomp): Uint8Array {
  let bytes = assembled.get(seccomp) ?? prebuiltFilter(seccomp);
  if (!bytes) {
    bytes = filterBytes(assemble(seccomp, nativeArchitecture(c.facts.arch)));
    assembled.set(seccomp, bytes);
  }
  return bytes;
}

/** struct sock_fprog: a filter as seccomp(2) and SO_ATTACH_FILTER take it. */
export const filterProgram = (name: string, bytes: Uint8Array): Block =>
  struct(`sock_fprog of the ${name}`, [
    [2, bytes.length / FILTER_SIZE],
    [8, into({ name, bytes, pointers: [] })],
  ]);
/** struct sock_filter */
const FILTER_SIZE = 8;

/** Loads a filter of our own, which nobody answers. */
export const loadOwnFilter = (c: Context, s: SectionBuilder, label: string, seccomp: Seccomp): void =>
  s.call(label, "seccomp", [
    SECCOMP_SET_MODE_FILTER,
    0,
    filterProgram("filter of the first process", filterOf(c, seccomp)),
  ]);

/** Loads the filter: nothing after this is done with more rights than the command has. seccomp(2). */
export function loadSeccomp(c: Context, s: SectionBuilder): void {
  const { seccomp } = c.spec.linux ?? {};
  if (!seccomp) return;
  const bytes = filterOf(c, seccomp);
  const program = filterProgram("seccomp filter", bytes);
  const listener = notifies(seccomp);
  const flags = (seccomp.flags ?? []).reduce((bits, f) => bits | (flagBits[f] ?? 0), 0);
  // Both would want the result; the first process has no threads to synchronize.
  const wanted = listener ? (flags & ~SECCOMP_FILTER_FLAG.TSYNC) | SECCOMP_FILTER_FLAG.NEW_LISTENER : flags;
  s.call(
    `load the seccomp filter of ${bytes.length / 8} instructions`,
    "seccomp",
    [SECCOMP_SET_MODE_FILTER, wanted, program],
    listener ? { result: listenerSlot(c) } : {},
  );
  if (listener && c.job.notify) handOut(c, s, listenerSlot(c));
}
