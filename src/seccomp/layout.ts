import { type Instruction, JUMP, op, RET } from "./bpf.ts";
import type { Decision } from "./decision.ts";

/** A test jumps over at most this many instructions: jt and jf of struct sock_filter are 8 bits. */
const REACH = 255;

/**
 * A graph of decisions as instructions. Jumps lead forward only, so it is written from its end: what a test leads to is
 * there before the test. A part that is shared is written once and jumped to, and a verdict within reach costs nothing:
 * the kernel checks, translates and compiles a filter at each start of a container, instruction by instruction.
 */
export function layOut(root: Decision): Instruction[] {
  const backwards: Instruction[] = [];
  const places = new Map<Decision, number>();
  const write = (instruction: Instruction): number => backwards.push(instruction) - 1;

  /** Where a decision stands, no farther from the next instruction than `reach`. */
  const near = (decision: Decision, reach: number): number => {
    const known = places.get(decision);
    if (known !== undefined && backwards.length - known - 1 <= reach) return known;
    if (known === undefined || "returns" in decision) return place(decision, written(decision));
    return place(decision, write(op(JUMP, backwards.length - known - 1)));
  };

  const place = (decision: Decision, at: number): number => {
    places.set(decision, at);
    return at;
  };

  const written = (decision: Decision): number => {
    if ("returns" in decision) return write(op(RET, decision.returns));
    if ("next" in decision) {
      near(decision.next, 0);
      return write(op(decision.code, decision.k));
    }
    near(decision.no, REACH);
    near(decision.yes, REACH);
    // What the second needed may have moved the first out of reach; a jump or a verdict then stands between.
    const no = near(decision.no, REACH - 1);
    const yes = near(decision.yes, REACH);
    const behind = (at: number) => backwards.length - at - 1;
    return write(op(decision.code, decision.k, behind(yes), behind(no)));
  };

  near(root, 0);
  return backwards.reverse();
}
