import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "../compile/spec.ts";
import { alternatives } from "./alternatives.ts";
import { architectures, type SeccompArch } from "./architectures.ts";
import {
  AND,
  ARCH_AT,
  argHighAt,
  argLowAt,
  type Instruction,
  JEQ,
  JGE,
  JGT,
  JUMP,
  LOAD,
  MAX_INSTRUCTIONS,
  NR_AT,
  op,
  RET,
} from "./bpf.ts";
import { unknownFrom } from "./unknown.ts";

const EPERM = 1;
const ENOSYS = 38;

/** What a filter returns for an action (seccomp(2) "SECCOMP_RET_…"). */
export function actionValue(action: SeccompAction, errno?: number): number {
  switch (action) {
    case "SCMP_ACT_KILL_PROCESS":
      return 0x80000000;
    case "SCMP_ACT_KILL":
    case "SCMP_ACT_KILL_THREAD":
      return 0;
    case "SCMP_ACT_TRAP":
      return 0x30000;
    case "SCMP_ACT_ERRNO":
      return 0x50000 | (errno ?? EPERM);
    case "SCMP_ACT_TRACE":
      return 0x7ff00000 | (errno ?? EPERM);
    case "SCMP_ACT_NOTIFY":
      return 0x7fc00000;
    case "SCMP_ACT_LOG":
      return 0x7ffc0000;
    case "SCMP_ACT_ALLOW":
      return 0x7fff0000;
  }
}

const halves = (v: number | bigint): [low: number, high: number] => {
  const b = BigInt.asUintN(64, BigInt(v));
  return [Number(b & 0xffffffffn), Number(b >> 32n)];
};

const NOT_THERE = actionValue("SCMP_ACT_ERRNO", ENOSYS);

/** A jump that is not resolved yet: to the code behind a rule ("no"), or to the next test ("yes"). */
type Draft = Instruction & { readonly t?: "yes" | "no"; readonly f?: "yes" | "no" };
const test = (code: number, k: number, t?: "yes" | "no", f?: "yes" | "no"): Draft => ({
  ...op(code, k),
  ...(t && { t }),
  ...(f && { f }),
});

/** One comparison of a 64-bit argument, in 32-bit halves; it falls through to "yes". */
function comparison({ index, value, valueTwo = 0, op: how }: SeccompArg): Draft[] {
  const [low, high] = halves(value);
  const loadHigh = op(LOAD, argHighAt(index));
  const loadLow = op(LOAD, argLowAt(index));
  switch (how) {
    case "SCMP_CMP_EQ":
      return [loadHigh, test(JEQ, high, undefined, "no"), loadLow, test(JEQ, low, undefined, "no")];
    case "SCMP_CMP_NE":
      return [loadHigh, test(JEQ, high, undefined, "yes"), loadLow, test(JEQ, low, "no")];
    case "SCMP_CMP_GE":
      return [
        loadHigh,
        test(JGT, high, "yes"),
        test(JEQ, high, undefined, "no"),
        loadLow,
        test(JGE, low, undefined, "no"),
      ];
    case "SCMP_CMP_GT":
      return [
        loadHigh,
        test(JGT, high, "yes"),
        test(JEQ, high, undefined, "no"),
        loadLow,
        test(JGT, low, undefined, "no"),
      ];
    case "SCMP_CMP_LT":
      return [loadHigh, test(JGT, high, "no"), test(JEQ, high, undefined, "yes"), loadLow, test(JGE, low, "no")];
    case "SCMP_CMP_LE":
      return [loadHigh, test(JGT, high, "no"), test(JEQ, high, undefined, "yes"), loadLow, test(JGT, low, "no")];
    case "SCMP_CMP_MASKED_EQ": {
      const [low2, high2] = halves(valueTwo);
      return [
        loadHigh,
        op(AND, high),
        test(JEQ, high2, undefined, "no"),
        loadLow,
        op(AND, low),
        test(JEQ, low2, undefined, "no"),
      ];
    }
  }
}

/** Resolves "yes" to the end of its comparison and "no" to the end of the rule, whose RET is `behind` + 1 long. */
function ruleCode(rule: SeccompRule): Instruction[] {
  const tests = (rule.args ?? []).map(comparison);
  const total = tests.reduce((n, t) => n + t.length, 0) + 1;
  const code: Instruction[] = [];
  for (const part of tests) {
    const end = code.length + part.length;
    for (const draft of part) {
      const from = code.length + 1;
      const resolve = (where?: "yes" | "no") => (where === "yes" ? end - from : where === "no" ? total - from : 0);
      code.push({ code: draft.code, k: draft.k, jt: resolve(draft.t), jf: resolve(draft.f) });
    }
  }
  code.push(op(RET, actionValue(rule.action, rule.errnoRet)));
  return code;
}

type Range = { readonly from: number; readonly code: readonly Instruction[] };

/**
 * A binary search for the system call's number, as libseccomp can do: the kernel runs the filter for every system
 * call of the container, and once for each number when it is loaded (its cache of what is always allowed).
 */
function search(ranges: readonly Range[]): Instruction[] {
  const first = ranges[0];
  if (!first) return [];
  if (ranges.length === 1) return [...first.code];
  const middle = ranges.length >> 1;
  const left = search(ranges.slice(0, middle));
  const right = search(ranges.slice(middle));
  const pivot = ranges[middle]?.from ?? 0;
  if (left.length < 256) return [op(JGE, pivot, left.length, 0), ...left, ...right];
  return [op(JGE, pivot, 0, 1), op(JUMP, left.length), ...left, ...right];
}

/** Neighbouring numbers with the same decision become one range. */
function ranges(decisions: ReadonlyMap<number, readonly Instruction[]>, otherwise: readonly Instruction[]): Range[] {
  const found: Range[] = [{ from: 0, code: otherwise }];
  const same = (a: readonly Instruction[], b: readonly Instruction[]) =>
    a === b || (a.length === 1 && b.length === 1 && a[0]?.code === b[0]?.code && a[0]?.k === b[0]?.k);
  const add = (from: number, code: readonly Instruction[]) => {
    const last = found[found.length - 1] as Range;
    if (last.from === from) found[found.length - 1] = { from, code };
    else if (!same(last.code, code)) found.push({ from, code });
    const previous = found[found.length - 2];
    if (previous && same(previous.code, (found[found.length - 1] as Range).code)) found.pop();
  };
  for (const nr of [...decisions.keys()].sort((a, b) => a - b)) {
    add(nr, decisions.get(nr) ?? otherwise);
    add(nr + 1, otherwise);
  }
  return found;
}

function archCode(seccomp: Seccomp, arch: SeccompArch): Instruction[] {
  const otherwise = [op(RET, actionValue(seccomp.defaultAction, seccomp.defaultErrnoRet))];
  const table = arch.table();
  const decisions = new Map<number, Instruction[]>();
  const decided = new Set<number>();
  for (const rule of (seccomp.syscalls ?? []).flatMap(alternatives)) {
    const code = ruleCode(rule);
    for (const name of rule.names) {
      // Names of another architecture, or of a newer kernel than this table, are passed over, as libseccomp does.
      const nr = table.get(name);
      if (nr === undefined || decided.has(nr)) continue;
      decisions.set(nr, [...(decisions.get(nr) ?? []), ...code]);
      if (!rule.args?.length) decided.add(nr);
    }
  }
  for (const [nr, code] of decisions) if (!decided.has(nr)) decisions.set(nr, [...code, ...otherwise]);
  const all = ranges(decisions, otherwise);
  const from = unknownFrom(seccomp, arch);
  const known = all.filter((range) => range.from < from);
  return search(from === Number.POSITIVE_INFINITY ? all : [...known, { from, code: [op(RET, NOT_THERE)] }]);
}

/**
 * Rules to BPF: the first rule of a system call whose arguments match decides. A call by an architecture that is not
 * listed kills the process: its numbers mean other calls.
 */
export function assemble(seccomp: Seccomp, native: SeccompArch): Instruction[] {
  const names = seccomp.architectures?.length ? seccomp.architectures : [native.name];
  const listed = names.flatMap((name) => architectures.find((a) => a.name === name) ?? []);
  const wanted = [native, ...listed.filter((a) => a !== native)];
  const code: Instruction[] = [op(LOAD, ARCH_AT)];
  for (const arch of wanted) {
    // x32 calls come with the audit number of x86-64 and bit 30 set: without this they would be past all rules.
    const guard = arch.name === "SCMP_ARCH_X86_64" ? [op(JGE, 0x40000000, 0, 1), op(RET, NOT_THERE)] : [];
    const body = [op(LOAD, NR_AT), ...guard, ...archCode(seccomp, arch)];
    code.push(op(JEQ, arch.audit, 1, 0), op(JUMP, body.length), ...body);
  }
  code.push(op(RET, actionValue("SCMP_ACT_KILL_PROCESS")));
  if (code.length > MAX_INSTRUCTIONS)
    throw new RangeError(`linux.seccomp: ${code.length} instructions, but the kernel takes ${MAX_INSTRUCTIONS}`);
  return code;
}
