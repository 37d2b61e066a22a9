import { ProgramBuilder, type SectionBuilder } from "../program/builder.ts";
import type { Block, Pointee, Program, Section, Step, Value } from "../program/types.ts";
import { bytesOf } from "../values/bytes.ts";

/** Where a text is in the data of a program. */
export type Hole = { readonly block: Block; readonly at: number };

/** Finds a text in all that a program says, and makes of texts that have it blocks which can be written to. */
class Finder {
  readonly holes: Hole[] = [];
  readonly #texts = new Map<string, Block>();
  readonly #blocks = new Map<Block, Block>();
  readonly #sought: string;
  readonly #bytes: Uint8Array;

  constructor(sought: string) {
    this.#sought = sought;
    this.#bytes = bytesOf(sought);
  }

  #note(block: Block): Block {
    const bytes = Buffer.from(block.bytes.buffer, block.bytes.byteOffset, block.bytes.length);
    for (let at = bytes.indexOf(this.#bytes); at >= 0; at = bytes.indexOf(this.#bytes, at + this.#bytes.length))
      this.holes.push({ block, at });
    return block;
  }

  #text(text: string): Block {
    const known = this.#texts.get(text);
    if (known) return known;
    const block = this.#note({ name: "text", bytes: bytesOf(`${text}\0`), pointers: [] });
    this.#texts.set(text, block);
    return block;
  }

  block(block: Block): Block {
    const known = this.#blocks.get(block);
    if (known) return known;
    const pointers = block.pointers.map(({ at, to }) => ({ at, to: this.pointee(to) }));
    const isSame = pointers.every((p, i) => p.to === block.pointers[i]?.to);
    const own = this.#note(isSame ? block : { ...block, pointers });
    this.#blocks.set(block, own);
    return own;
  }

  pointee(p: Pointee): Pointee {
    if (p.kind === "text")
      return p.text.includes(this.#sought) ? { kind: "block", block: this.#text(p.text), offset: 0 } : p;
    if (p.kind === "address") return p;
    const block = this.block(p.block);
    return block === p.block ? p : { ...p, block };
  }

  value(v: Value): Value {
    if (typeof v !== "object") return v;
    return v.kind === "text" || v.kind === "block" ? this.pointee(v) : v;
  }
}

function inStep(found: Finder, step: Step): Step {
  switch (step.op) {
    case "call":
      return { ...step, args: step.args.map((a) => found.value(a)) };
    case "spawn":
      return { ...step, args: found.block(step.args) };
    case "copy":
      return { ...step, text: found.value(step.text), block: found.block(step.block) };
    case "format":
    case "date":
    case "store":
      return { ...step, value: found.value(step.value), block: found.block(step.block) };
    case "supervise":
      return { ...step, relays: found.block(step.relays), ...(step.status && { status: found.block(step.status) }) };
    case "jump":
      return { ...step, a: found.value(step.a), b: found.value(step.b) };
    case "let":
      return { ...step, value: found.value(step.value), ...(step.plus && { plus: found.value(step.plus) }) };
    case "hash":
      return {
        ...step,
        text: found.value(step.text),
        ...(step.others !== undefined && { others: found.value(step.others) }),
      };
    default:
      return step;
  }
}

/** What a failure of a step is said with, whatever the text is then. */
const labelled = (step: Step, sought: string, called: string): Step =>
  step.label.includes(sought) ? { ...step, label: step.label.replaceAll(sought, called) } : step;

/** The same program, but first of all it does what `fill` says. */
export function withBefore(program: Program, fill: (s: SectionBuilder) => void): Program {
  const before = new ProgramBuilder(program.arch, program.slots);
  fill(before.section("before"));
  const { sections: filling, slots } = before.build();
  const [first, ...others] = program.sections as [Section, ...Section[]];
  const steps = [...(filling[0]?.steps ?? []), ...first.steps];
  return { ...program, slots, sections: [{ ...first, steps }, ...others] };
}

/**
 * The same program, but first of all it fills the places where it says `sought`, as `fill` says, with what has as many bytes. `called` is
 * what stands for that in the words for a failure.
 */
export function withHoles(
  program: Program,
  sought: string,
  called: string,
  fill: (s: SectionBuilder, holes: readonly Hole[]) => void,
): Program {
  const found = new Finder(sought);
  const sections = program.sections.map(
    (section): Section => ({
      ...section,
      steps: section.steps.map((s) => inStep(found, labelled(s, sought, called))),
    }),
  );
  return withBefore({ ...program, sections }, (s) => fill(s, found.holes));
}
