import type { SeccompAction } from "../compile/spec.ts";
import { AND, LOAD } from "./bpf.ts";

/** What a filter does, as a graph: tests that lead to tests, or to what is returned. Parts may be shared. */
export type Decision = Verdict | Straight | Test;
export type Verdict = { readonly returns: number };
/** An instruction with one way on: a load, or an AND of what was loaded. */
export type Straight = { readonly code: number; readonly k: number; readonly next: Decision };
/** A comparison of what was loaded with `k`. */
export type Test = { readonly code: number; readonly k: number; readonly yes: Decision; readonly no: Decision };

const verdicts = new Map<number, Verdict>();

/** The same object for the same value: decisions are compared by identity. */
export function verdict(returns: number): Verdict {
  const known = verdicts.get(returns) ?? { returns };
  verdicts.set(returns, known);
  return known;
}

export const load = (at: number, next: Decision): Decision => ({ code: LOAD, k: at, next });
export const masked = (mask: number, next: Decision): Decision =>
  mask === 0xffffffff ? next : { code: AND, k: mask, next };
export const test = (code: number, k: number, yes: Decision, no: Decision): Decision =>
  yes === no ? yes : { code, k, yes, no };

const EPERM = 1;

/** What a filter returns for an action (seccomp(2) "SECCOMP_RET_…"). */
export function actionValue(action: SeccompAction, errno = EPERM): number {
  switch (action) {
    case "SCMP_ACT_KILL_PROCESS":
      return 0x80000000;
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return 0;
    case "SCMP_ACT_TRAP":
      return 0x30000;
    case "SCMP_ACT_ERRNO":
      return 0x50000 | errno;
    case "SCMP_ACT_TRACE":
      return 0x7ff00000 | errno;
    case "SCMP_ACT_NOTIFY":
      return 0x7fc00000;
    case "SCMP_ACT_LOG":
      return 0x7ffc0000;
    case "SCMP_ACT_ALLOW":
      return 0x7fff0000;
  }
}
