import { AT_FDCWD, O } from "../kernel/flags.ts";
import type { Block, Pointee, Program, Section, Slot, Step, Value } from "../program/types.ts";
import { addressOf, toValue } from "../program/values.ts";

/** The kernel writes "xxxxxxxx-xxxx-4xxx-yxxx-" and then what we take: twelve random hexadecimal digits. random(4). */
const UUID = "/proc/sys/kernel/random/uuid";
const DIGITS_AT = 24;
export const NAME_LENGTH = 12;

type Hole = { readonly block: Block; readonly at: number };

const encoder = new TextEncoder();

/** Finds a name in all that a program says, and makes of texts that have it blocks which can be written to. */
class Holes {
  readonly holes: Hole[] = [];
  readonly #texts = new Map<string, Block>();
  readonly #blocks = new Map<Block, Block>();
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  #note(block: Block): Block {
    const bytes = Buffer.from(block.bytes.buffer, block.bytes.byteOffset, block.bytes.length);
    for (let at = bytes.indexOf(this.#name); at >= 0; at = bytes.indexOf(this.#name, at + NAME_LENGTH))
      this.holes.push({ block, at });
    return block;
  }

  #text(text: string): Block {
    const known = this.#texts.get(text);
    if (known) return known;
    const block = this.#note({ name: "text", bytes: encoder.encode(`${text}\0`), pointers: [] });
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
      return p.text.includes(this.#name) ? { kind: "block", block: this.#text(p.text), offset: 0 } : p;
    if (p.kind === "address") return p;
    const block = this.block(p.block);
    return block === p.block ? p : { ...p, block };
  }

  value(v: Value): Value {
    return v.kind === "text" || v.kind === "block" ? (this.pointee(v) as Value) : v;
  }
}

function inStep(holes: Holes, step: Step): Step {
  switch (step.op) {
    case "call":
      return { ...step, args: step.args.map((a) => holes.value(a)) };
    case "spawn":
      return { ...step, args: holes.block(step.args) };
    case "copy":
    case "format":
    case "store":
      return { ...step, block: holes.block(step.block) };
    case "supervise":
      return { ...step, relays: holes.block(step.relays) };
    case "jump":
      return { ...step, a: holes.value(step.a), b: holes.value(step.b) };
    case "let":
      return { ...step, value: holes.value(step.value) };
    default:
      return step;
  }
}

/** What a failure of a step is said with, whichever name there was. */
const labelled = (step: Step, name: string): Step =>
  step.label.includes(name) ? { ...step, label: step.label.replaceAll(name, "chosen at random") } : step;

const number = (value: number): Value => ({ kind: "number", value });
const call = (label: string, name: string, args: readonly (Value | Slot | string | number)[], result?: Slot): Step => ({
  ...{ op: "call", label, call: name, args: args.map(toValue) },
  ...(result && { result }),
});

/** Twelve bytes go over two slots, the second half filled; each hole gets eight and four. */
function choose(holes: readonly Hole[], [begin, end, fd, read]: readonly [Slot, Slot, Slot, Slot]): Step[] {
  const EIO = 5;
  return [
    call("open the kernel's random names", "openat", [AT_FDCWD, UUID, O.RDONLY | O.CLOEXEC, 0], fd),
    call("choose a name", "pread64", [fd, addressOf(begin), NAME_LENGTH, DIGITS_AT], read),
    { op: "jump", label: "skip 1", over: 1, if: "==", a: toValue(read), b: number(NAME_LENGTH) },
    { op: "fail", label: "choose a name", errno: number(EIO) },
    call("close the kernel's random names", "close", [fd]),
    ...holes.flatMap(({ block, at }): Step[] => [
      { op: "store", label: `put the name into ${block.name}`, value: toValue(begin), block, at, size: 8 },
      { op: "store", label: `put the name into ${block.name}`, value: toValue(end), block, at: at + 8, size: 4 },
    ]),
  ];
}

/**
 * The same program, but each time that it is performed it chooses a name of its own, twelve random hexadecimal digits,
 * in place of the one it was compiled with.
 */
export function withFreshName(program: Program, name: string): Program {
  if (name.length !== NAME_LENGTH) throw new RangeError(`${name}: only a name of ${NAME_LENGTH} bytes can be replaced`);
  const holes = new Holes(name);
  const sections = program.sections.map(
    (section): Section => ({ ...section, steps: section.steps.map((s) => inStep(holes, labelled(s, name))) }),
  );
  const more = ["first of the name", "last of the name", "random names", "length of the name"];
  const slots = more.map((text, i): Slot => ({ slot: program.slots.length + i, name: text }));
  const [first, ...others] = sections as [Section, ...Section[]];
  const steps = [...choose(holes.holes, slots as [Slot, Slot, Slot, Slot]), ...first.steps];
  return { ...program, slots: [...program.slots, ...more], sections: [{ ...first, steps }, ...others] };
}
