import type { SeccompRule } from "../compile/spec.ts";

/**
 * Comparisons of different arguments hold together. If one argument is compared twice, each comparison is a rule by
 * itself: the specification does not say, but runc and crun have it so, and profiles are written for them.
 */
export function alternatives(rule: SeccompRule): readonly SeccompRule[] {
  const args = rule.args ?? [];
  const twice = new Set(args.map((a) => a.index)).size < args.length;
  return twice ? args.map((a) => ({ ...rule, args: [a] })) : [rule];
}
