import type { Seccomp, SeccompArg, SeccompRule } from "../compile/spec.ts";
import { alternatives } from "./alternatives.ts";
import { architectures, type SeccompArch } from "./architectures.ts";
import { ARCH_AT, argHighAt, argLowAt, type Instruction, JEQ, JGE, JGT, MAX_INSTRUCTIONS, NR_AT } from "./bpf.ts";
import { actionValue, type Decision, load, masked, test, verdict } from "./decision.ts";
import { layOut } from "./layout.ts";
import { unknownFrom } from "./unknown.ts";

const ENOSYS = 38;
const NOT_THERE = verdict(actionValue("SCMP_ACT_ERRNO", ENOSYS));
/** Bit 30 of a number: a call of the x32 ABI, which comes with the audit number of x86-64. */
const X32 = 0x40000000;

const halves = (v: number | bigint): [low: number, high: number] => {
  const b = BigInt.asUintN(64, BigInt(v));
  return [Number(b & 0xffffffffn), Number(b >> 32n)];
};

/** One comparison of a 64-bit argument, in 32-bit halves. */
function comparison({ index, value, valueTwo = 0, op }: SeccompArg, yes: Decision, no: Decision): Decision {
  const [low, high] = halves(value);
  const ofHigh = (next: Decision) => load(argHighAt(index), next);
  const ofLow = (code: number, met: Decision, unmet: Decision) => load(argLowAt(index), test(code, low, met, unmet));
  const above = (met: Decision, same: Decision, unmet: Decision) =>
    ofHigh(test(JGT, high, met, test(JEQ, high, same, unmet)));
  switch (op) {
    case "SCMP_CMP_EQ":
      return ofHigh(test(JEQ, high, ofLow(JEQ, yes, no), no));
    case "SCMP_CMP_NE":
      return ofHigh(test(JEQ, high, ofLow(JEQ, no, yes), yes));
    case "SCMP_CMP_GE":
      return above(yes, ofLow(JGE, yes, no), no);
    case "SCMP_CMP_GT":
      return above(yes, ofLow(JGT, yes, no), no);
    case "SCMP_CMP_LT":
      return above(no, ofLow(JGE, no, yes), yes);
    case "SCMP_CMP_LE":
      return above(no, ofLow(JGT, no, yes), yes);
    case "SCMP_CMP_MASKED_EQ": {
      const [low2, high2] = halves(valueTwo);
      const lower = load(argLowAt(index), masked(low, test(JEQ, low2, yes, no)));
      return high === 0 && high2 === 0 ? lower : ofHigh(masked(high, test(JEQ, high2, lower, no)));
    }
  }
}

/** Rules which all want one value each of the same argument: the halves of it are loaded once. */
type Choice = { readonly index: number; readonly high: number; readonly lows: Decision; readonly otherwise: Decision };

/** What rules say, the first that matches. Equal lists of rules are one decision. */
class Rules {
  readonly #choices = new Map<Decision, Choice>();
  readonly #decided = new Map<Decision, Map<SeccompRule, Decision>>();

  #before(rule: SeccompRule, next: Decision): Decision {
    const action = verdict(actionValue(rule.action, rule.errnoRet));
    const [only, second] = rule.args ?? [];
    if (only?.op !== "SCMP_CMP_EQ" || second)
      return (rule.args ?? []).reduceRight<Decision>((yes, arg) => comparison(arg, yes, next), action);
    const [low, high] = halves(only.value);
    const known = this.#choices.get(next);
    const joins = known?.index === only.index && known.high === high;
    const { lows, otherwise } = joins ? known : { lows: next, otherwise: next };
    const choice = { index: only.index, high, lows: test(JEQ, low, action, lows), otherwise };
    const whole = load(argHighAt(only.index), test(JEQ, high, load(argLowAt(only.index), choice.lows), otherwise));
    this.#choices.set(whole, choice);
    return whole;
  }

  decide(rules: readonly SeccompRule[], otherwise: Decision): Decision {
    return rules.reduceRight<Decision>((next, rule) => {
      const known = this.#decided.get(next) ?? new Map<SeccompRule, Decision>();
      const decision = known.get(rule) ?? this.#before(rule, next);
      this.#decided.set(next, known.set(rule, decision));
      return decision;
    }, otherwise);
  }
}

/** Numbers from `from` on, up to the next range. */
type Range = { readonly from: number; readonly decision: Decision };

/**
 * A binary search for the system call's number, as libseccomp can do: the kernel runs the filter for every system
 * call of the container, and once for each number when it is loaded (its cache of what is always allowed).
 */
function search(ranges: readonly Range[]): Decision {
  const [first, second, third] = ranges as readonly [Range, ...Range[]];
  if (!second) return first.decision;
  if (ranges.length === 3 && third?.from === second.from + 1 && third.decision === first.decision)
    return test(JEQ, second.from, second.decision, first.decision);
  const middle = ranges.length >> 1;
  return test(JGE, ranges[middle]?.from ?? 0, search(ranges.slice(middle)), search(ranges.slice(0, middle)));
}

/** Neighbouring numbers with the same decision become one range. */
function ranges(decisions: ReadonlyMap<number, Decision>, otherwise: Decision, end: Range | undefined): Range[] {
  const found: Range[] = [{ from: 0, decision: otherwise }];
  const add = (range: Range) => {
    if (found.at(-1)?.from === range.from) found.pop();
    if (found.at(-1)?.decision !== range.decision) found.push(range);
  };
  for (const nr of [...decisions.keys()].sort((a, b) => a - b)) {
    add({ from: nr, decision: decisions.get(nr) ?? otherwise });
    add({ from: nr + 1, decision: otherwise });
  }
  if (end) add(end);
  return found;
}

const tooMany = (what: string) =>
  new RangeError(`linux.seccomp: ${what}, but the kernel takes ${MAX_INSTRUCTIONS} instructions`);

function ofArchitecture(seccomp: Seccomp, arch: SeccompArch): Decision {
  const otherwise = verdict(actionValue(seccomp.defaultAction, seccomp.defaultErrnoRet));
  const table = arch.table();
  const byNumber = new Map<number, Set<SeccompRule>>();
  for (const rule of (seccomp.syscalls ?? []).flatMap(alternatives))
    for (const name of rule.names) {
      // Names of another architecture, or of a newer kernel than this table, are passed over, as libseccomp does.
      const nr = table.get(name);
      if (nr !== undefined) byNumber.set(nr, (byNumber.get(nr) ?? new Set()).add(rule));
    }
  const most = Math.max(...[...byNumber.values()].map((list) => list.size));
  if (most > MAX_INSTRUCTIONS) throw tooMany(`${most} rules for one system call`);
  const rules = new Rules();
  const decisions = new Map([...byNumber].map(([nr, list]) => [nr, rules.decide([...list], otherwise)]));
  const unknown = unknownFrom(seccomp, arch);
  const from = unknown === Number.POSITIVE_INFINITY && arch.name === "SCMP_ARCH_X86_64" ? X32 : unknown;
  const end = from === Number.POSITIVE_INFINITY ? undefined : { from, decision: NOT_THERE };
  return load(NR_AT, search(ranges(decisions, otherwise, end)));
}

/**
 * Rules to BPF: the first rule of a system call whose arguments match decides. A call by an architecture that is not
 * listed kills the process: its numbers mean other calls.
 */
export function assemble(seccomp: Seccomp, native: SeccompArch): Instruction[] {
  const names = seccomp.architectures?.length ? seccomp.architectures : [native.name];
  const listed = names.flatMap((name) => architectures.find((a) => a.name === name) ?? []);
  const byArchitecture = [native, ...listed.filter((a) => a !== native)].reduceRight<Decision>(
    (others, arch) => test(JEQ, arch.audit, ofArchitecture(seccomp, arch), others),
    verdict(actionValue("SCMP_ACT_KILL_PROCESS")),
  );
  const code = layOut(load(ARCH_AT, byArchitecture));
  if (code.length > MAX_INSTRUCTIONS) throw tooMany(`${code.length} instructions`);
  return code;
}
