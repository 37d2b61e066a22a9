import type { Arch } from "../kernel/arch.ts";
import { CLONE } from "../kernel/flags.ts";
import type { Block, Comparison, Policy, Program, Section, Slot, Step, Value } from "./types.ts";
import { MAX_SLOTS, RESERVED_SLOTS, SUPERVISE_RESULTS } from "./types.ts";
import { addressOf, type Loose, struct, toValue } from "./values.ts";

export type CallOptions = Policy & { result?: Slot };
export type CloneOptions = { flags?: number | bigint; pidfd?: Slot };

/** Writes one section. Each method appends one step and gives back what later steps can name. */
export class SectionBuilder {
  readonly #steps: Step[] = [];
  onFail?: SectionBuilder;
  readonly program: ProgramBuilder;
  readonly index: number;
  readonly name: string;

  constructor(program: ProgramBuilder, index: number, name: string) {
    this.program = program;
    this.index = index;
    this.name = name;
  }

  get length(): number {
    return this.#steps.length;
  }

  /** The labels so far, for who will have to say where a program failed without having it. */
  labels(from = 0): string[] {
    return this.#steps.slice(from).map((step) => step.label);
  }

  /** A system call. The label says to people what it is for: "mount proc on /proc". */
  call(label: string, call: string, args: readonly Loose[], options: CallOptions = {}): void {
    const values: Value[] = [];
    for (const arg of args) values.push(toValue(arg));
    const { result, ignore, retries } = options;
    this.#steps.push(
      result === undefined && ignore === undefined && retries === undefined
        ? { op: "call", label, call, args: values }
        : { op: "call", label, call, args: values, ...options },
    );
  }

  /** A system call whose result later steps use. */
  get(label: string, call: string, args: readonly Loose[], policy: Policy = {}): Slot {
    const result = this.program.slot(label);
    this.call(label, call, args, { ...policy, result });
    return result;
  }

  /** A new process which performs `section`; its pid in the slot that is returned. clone3(2). */
  spawn(label: string, section: SectionBuilder, options: CloneOptions | Block = {}): Slot {
    const result = this.program.slot(`pid of ${section.name}`);
    const args = "bytes" in options ? options : cloneArgs(options);
    this.#steps.push({ op: "spawn", label, section: section.index, args, result });
    return result;
  }

  /** Performs `body` unless the comparison holds. Jumps go forward only, so every program ends. */
  skipIf(a: Loose, comparison: Comparison, b: Loose, body: () => void): void {
    const at = this.#steps.length;
    const jump = { op: "jump", label: "", over: 0, if: comparison, a: toValue(a), b: toValue(b) } as const;
    this.#steps.push(jump);
    body();
    this.#steps[at] = { ...jump, over: this.#steps.length - at - 1, label: `skip ${this.#steps.length - at - 1}` };
  }

  /** Writes the value in decimal into the block. */
  format(value: Loose, block: Block, at: number): void {
    this.#steps.push({ op: "format", label: `put a number into ${block.name}`, value: toValue(value), block, at });
  }

  /** Writes seconds since 1970 as "2026-11-26T07:08:09" into the block, which has the signs between already. */
  date(seconds: Loose, block: Block, at: number): void {
    this.#steps.push({ op: "date", label: `put a date into ${block.name}`, value: toValue(seconds), block, at });
  }

  store(value: Loose, block: Block, at: number, size: 4 | 8): void {
    this.#steps.push({ op: "store", label: `put a value into ${block.name}`, value: toValue(value), block, at, size });
  }

  /** Puts the beginning of a text into a block: `most` bytes at most, and none from the character `until` on. */
  copy(text: Loose, block: Block, at: number, most: number, until = "\0"): void {
    const step = { text: toValue(text), block, at, most, until: until.charCodeAt(0) };
    this.#steps.push({ op: "copy", label: `copy a text into ${block.name}`, ...step });
  }

  /** Keeps a value in a slot, or the sum of two. */
  let(slot: Slot, value: Loose, plus?: Loose): void {
    const sum = { value: toValue(value), ...(plus !== undefined && { plus: toValue(plus) }) };
    this.#steps.push({ op: "let", label: `keep ${slot.name}`, ...sum, result: slot });
  }

  /** Continues the hash in a slot with a text; 0 instead of one leaves it as it is. Without what has at least so many bytes of some in a row. */
  hash(slot: Slot, text: Loose, without?: { readonly characters: string; readonly least: number }): void {
    this.#steps.push({
      op: "hash",
      label: `hash into ${slot.name}`,
      from: toValue(slot),
      text: toValue(text),
      result: slot,
      ...(without && { others: toValue(without.characters), least: without.least }),
    });
  }

  /** Keeps a value, and fails if it is a negative errno, as answers of the kernel have it that are no results of system calls. */
  raise(label: string, value: Loose, policy: Policy = {}): Slot {
    const result = this.program.shared(`answer to the ${this.name}`);
    this.#steps.push({ op: "let", label, value: toValue(value), result, ...policy });
    return result;
  }

  check(label: string): void {
    this.#steps.push({ op: "check", label });
  }

  fail(label: string, errno: Loose, plus?: Loose): void {
    this.#steps.push({
      ...{ op: "fail", label, errno: toValue(errno) },
      ...(plus !== undefined && { plus: toValue(plus) }),
    });
  }

  /** `status`: see Step. */
  supervise(
    label: string,
    o: { child: Loose; pidfd: Loose; signals: Loose; timeout?: number; relays?: Block; status?: Block },
  ): readonly Slot[] {
    const result = Array.from({ length: SUPERVISE_RESULTS }, (_, i) =>
      this.program.slot(superviseResults[i] as string),
    );
    const {
      child,
      pidfd,
      signals,
      timeout = -1,
      relays = { name: "relays", bytes: new Uint8Array(0), pointers: [] },
    } = o;
    this.#steps.push({
      op: "supervise",
      label,
      child: toValue(child),
      pidfd: toValue(pidfd),
      signals: toValue(signals),
      timeout,
      relays,
      ...(o.status && { status: o.status }),
      result: result[0] as Slot,
    });
    return result;
  }

  serve(label: string, from: Loose, to: Loose, policy: Policy = {}): void {
    this.#steps.push({ op: "serve", label, from: toValue(from), to: toValue(to), ...policy });
  }

  exit(code: Loose): void {
    this.#steps.push({ op: "exit", label: "exit", code: toValue(code) });
  }

  /** Appends all steps of another list: the same undoing at the end and after a failure. */
  append(steps: readonly Step[]): void {
    this.#steps.push(...steps);
  }

  build(): Section {
    return { name: this.name, steps: this.#steps, ...(this.onFail && { onFail: this.onFail.index }) };
  }
}

const superviseResults = ["exit code", "wait status", "timed out", "user time", "system time", "peak memory"];

/** struct clone_args of clone3(2). The child's end is told by SIGCHLD, a sibling's as the caller's own is. */
export function cloneArgs({ flags = 0, pidfd }: CloneOptions): Block {
  const SIGCHLD = 17;
  const rest = [8, 0] as const;
  return struct("clone_args", [
    [8, BigInt(flags)],
    [8, pidfd ? addressOf(pidfd) : 0],
    rest,
    rest,
    [8, BigInt(flags) & BigInt(CLONE.PARENT) ? 0 : SIGCHLD],
    rest,
    rest,
    rest,
    rest,
    rest,
    rest,
  ]);
}

/** Where the control group's file descriptor goes in it. */
export const CLONE_ARGS_CGROUP = 80;

/** Collects sections; `build` gives the immutable program. Section 0 is the one that is performed. */
export class ProgramBuilder {
  readonly #sections: SectionBuilder[] = [];
  readonly #slots: string[];
  /** The first slot of each name. */
  readonly #named = new Map<string, number>();
  readonly arch: Arch;

  /** `slots`: of a program that this one becomes a part of. */
  constructor(arch: Arch, slots: readonly string[] = RESERVED_SLOTS) {
    this.arch = arch;
    this.#slots = [...slots];
    for (const [i, name] of slots.entries()) this.#name(name, i);
  }

  get sections(): readonly SectionBuilder[] {
    return this.#sections;
  }

  section(name: string): SectionBuilder {
    const section = new SectionBuilder(this, this.#sections.length, name);
    this.#sections.push(section);
    return section;
  }

  slot(name: string): Slot {
    if (this.#slots.length >= MAX_SLOTS) throw new RangeError(`a program has ${MAX_SLOTS} slots at most`);
    const slot = this.#slots.push(name) - 1;
    this.#name(name, slot);
    return { slot, name };
  }

  /** A slot for what is used at once and then no more, whoever needs one of that name. */
  shared(name: string): Slot {
    const slot = this.#named.get(name);
    return slot === undefined ? this.slot(name) : { slot, name };
  }

  #name(name: string, slot: number): void {
    if (!this.#named.has(name)) this.#named.set(name, slot);
  }

  build(): Program {
    return { arch: this.arch, sections: this.#sections.map((s) => s.build()), slots: this.#slots };
  }
}
