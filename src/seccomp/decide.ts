import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "../compile/spec.ts";
import { alternatives } from "./alternatives.ts";

const u64 = (v: number | bigint) => BigInt.asUintN(64, BigInt(v));

function matches({ index, value, valueTwo = 0, op }: SeccompArg, args: readonly bigint[]): boolean {
  const [is, wanted] = [args[index] ?? 0n, u64(value)];
  switch (op) {
    case "SCMP_CMP_NE":
      return is !== wanted;
    case "SCMP_CMP_LT":
      return is < wanted;
    case "SCMP_CMP_LE":
      return is <= wanted;
    case "SCMP_CMP_EQ":
      return is === wanted;
    case "SCMP_CMP_GE":
      return is >= wanted;
    case "SCMP_CMP_GT":
      return is > wanted;
    case "SCMP_CMP_MASKED_EQ":
      return (is & wanted) === u64(valueTwo);
  }
}

export type Decided = { readonly action: SeccompAction; readonly errno?: number | undefined };

/** What rules say of a call: the first that matches, else the default. The same that the assembled filter does. */
export function decide(seccomp: Seccomp, name: string, args: readonly bigint[]): Decided {
  const applies = (r: SeccompRule) => r.names.includes(name) && (r.args ?? []).every((a) => matches(a, args));
  const rule = seccomp.syscalls?.flatMap(alternatives).find(applies);
  return rule
    ? { action: rule.action, errno: rule.errnoRet }
    : { action: seccomp.defaultAction, errno: seccomp.defaultErrnoRet };
}
