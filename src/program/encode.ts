import { syscallTable } from "../kernel/arch.ts";
import { errno } from "../kernel/errno.ts";
import { bytesOf } from "../values/bytes.ts";
import type { Block, Comparison, Pointee, Policy, Program, Slot, Step, Value } from "./types.ts";

export const MAGIC = 0x4e535343;
const VERSION = 3;
const HEADER = 48;
const SECTION = 16;
const STEP = 72;
const NONE = 0xffffffff;
const NO_SLOT = 0xffff;
const OPS: Record<Step["op"], number> = {
  call: 0,
  spawn: 1,
  jump: 2,
  format: 3,
  store: 4,
  check: 5,
  fail: 6,
  supervise: 7,
  serve: 8,
  exit: 9,
  let: 10,
  hash: 11,
  copy: 12,
  date: 13,
};
const COMPARISONS: Record<Comparison, number> = {
  "==": 0,
  "!=": 1,
  "<": 2,
  ">": 3,
  "&": 4,
  same: 5,
  other: 6,
  environment: 7,
  only: 8,
};
const KIND = {
  number: 0,
  data: 1,
  slot: 2,
  address: 3,
  low: 4,
  high: 5,
  argument: 6,
  arguments: 7,
  environment: 8,
} as const;
const IGNORE_ALL = 1;

/** The data of a program: every text once, every block at a multiple of 8. */
class Data {
  readonly #texts = new Map<string, number>();
  readonly #blocks = new Map<Block, number>();
  readonly relocs: number[] = [];
  #bytes = new Uint8Array(16384);
  #length = 0;
  readonly #encoder = new TextEncoder();

  #reserve(size: number): number {
    const at = this.#length;
    while (at + size > this.#bytes.length) {
      const more = new Uint8Array(this.#bytes.length * 2);
      more.set(this.#bytes);
      this.#bytes = more;
    }
    this.#length = at + size;
    return at;
  }

  text(text: string): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    if (text.includes("\0")) throw new RangeError(`${JSON.stringify(text)}: a NUL byte cannot be passed to the kernel`);
    const at = this.#reserve(text.length * 3 + 1);
    let { written } = this.#encoder.encodeInto(text, this.#bytes.subarray(at));
    if (written !== text.length) {
      const bytes = bytesOf(text);
      this.#bytes.set(bytes, at);
      written = bytes.length;
    }
    this.#length = at + written + 1;
    this.#bytes[at + written] = 0;
    this.#texts.set(text, at);
    return at;
  }

  block(block: Block): number {
    const known = this.#blocks.get(block);
    if (known !== undefined) return known;
    this.#length = Math.ceil(this.#length / 8) * 8;
    // Room to format 21 bytes at any place of a block.
    const at = this.#reserve(block.bytes.length + 24);
    this.#blocks.set(block, at);
    this.#bytes.set(block.bytes, at);
    for (const p of block.pointers) {
      const [kind, to] = this.place(p.to);
      const view = new DataView(this.#bytes.buffer);
      view.setUint32(at + p.at, to, true);
      view.setUint32(at + p.at + 4, 0, true);
      this.relocs.push(at + p.at, kind);
    }
    return at;
  }

  place(p: Pointee): [kind: number, at: number] {
    if (p.kind === "text") return [KIND.data, this.text(p.text)];
    if (p.kind === "block") return [KIND.data, this.block(p.block) + p.offset];
    return [KIND.address, p.slot.slot];
  }

  finish(): Uint8Array {
    return this.#bytes.subarray(0, Math.ceil((this.#length + 1) / 8) * 8);
  }
}

const encoder = new TextEncoder();
const NO_WORDS = new Uint8Array(0);

const at = (block: Block, offset: number): Value => ({ kind: "block", block, offset });

type Shape = { nr: number; result: Slot | undefined; args: readonly Value[]; policy: Policy };

type Call = Step & { readonly op: "call" };

function callShape(step: Call, table: Map<string, number>): Shape {
  const nr = table.get(step.call);
  if (nr === undefined) throw new RangeError(`${step.label}: no system call ${step.call} on this architecture`);
  return { nr, result: step.result, args: step.args, policy: step };
}

/** What each other kind of step has in the common record. */
function shape(step: Exclude<Step, Call>): Shape {
  const policy = {};
  switch (step.op) {
    case "spawn":
      return {
        nr: step.section,
        result: step.result,
        args: [at(step.args, 0), step.args.bytes.length],
        policy: step,
      };
    case "jump":
      return { nr: COMPARISONS[step.if], result: undefined, args: [step.a, step.b, step.over], policy };
    case "format":
    case "date":
      return { nr: 0, result: undefined, args: [step.value, at(step.block, step.at)], policy };
    case "store":
      return { nr: step.size, result: undefined, args: [step.value, at(step.block, step.at)], policy };
    case "copy":
      return {
        ...{ nr: 0, result: undefined, policy },
        args: [step.text, at(step.block, step.at), step.most, step.until],
      };
    case "check":
      return { nr: 0, result: undefined, args: [], policy };
    case "fail":
      return { nr: 0, result: undefined, args: [step.errno, ...(step.plus ? [step.plus] : [])], policy };
    case "supervise": {
      const { child, pidfd, signals, timeout, relays, status, result } = step;
      const args = [child, pidfd, signals, timeout, at(relays, 0), status ? at(status, 0) : 0];
      return { nr: relays.bytes.length / 16, result, args, policy };
    }
    case "serve":
      return { nr: 0, result: undefined, args: [step.from, step.to], policy: step };
    case "let":
      return { nr: 0, result: step.result, args: [step.value, ...(step.plus ? [step.plus] : [])], policy: step };
    case "hash":
      return { nr: 0, result: step.result, args: [step.from, step.text, step.others ?? 0, step.least ?? 0], policy };
    case "exit":
      return { nr: 0, result: undefined, args: [step.code], policy };
  }
}

/** Where the words of a step's record are, in units of 4 bytes: struct step of native/executor.c. */
const WORD = { op: 0, nr: 1, kinds: 2, more: 3, ignore: 4, args: 6 } as const;
const LARGE = 0x100000000;

/** The ignored errnos, packed as the record has them: two words of two each. */
function ignored(step: string, names: readonly string[], head: Int32Array, at: number): void {
  if (names.length > 4) throw new RangeError(`${step}: at most 4 errnos can be ignored by name`);
  for (let i = 0; i < names.length; i++) {
    const word = at + (i >> 1);
    head[word] = (head[word] ?? 0) | (errno(names[i] as string) << (16 * (i & 1)));
  }
}

/**
 * The program as the bytes that native/executor.c reads (docs/program.md). Labels are left out where who performs it
 * still has the program: they are half of its texts.
 *
 * Written in words, without views: a command has no time to become fast.
 */
export function encode(program: Program, labels = true): Uint8Array {
  const table = syscallTable(program.arch);
  const count = program.sections.reduce((n, s) => n + s.steps.length, 0);
  const sectionsAt = HEADER;
  const stepsAt = sectionsAt + SECTION * program.sections.length;
  const head = new Int32Array((stepsAt + STEP * count) / 4);
  const data = new Data();
  data.text("");

  let first = 0;
  for (const [i, section] of program.sections.entries()) {
    const o = (sectionsAt + SECTION * i) / 4;
    head[o] = first;
    head[o + 1] = section.steps.length;
    head[o + 2] = section.onFail ?? NONE;
    let w = (stepsAt + STEP * first) / 4;
    for (const step of section.steps) {
      const { nr, result, args, policy } = step.op === "call" ? callShape(step, table) : shape(step);
      head[w + WORD.op] = OPS[step.op] | ((result ? result.slot : NO_SLOT) << 16);
      head[w + WORD.nr] = nr;
      let kinds = 0;
      let more = 0;
      for (let a = 0; a < args.length; a++) {
        const v = args[a] as Value;
        const at = w + WORD.args + 2 * a;
        if (typeof v === "number") {
          head[at] = v;
          if (v < 0 || v >= LARGE) head[at + 1] = Math.floor(v / LARGE);
          continue;
        }
        if (typeof v === "bigint") {
          head[at] = Number(BigInt.asIntN(32, v));
          head[at + 1] = Number(BigInt.asIntN(32, v >> 32n));
          continue;
        }
        let kind: number;
        if (v.kind === "slot") {
          kind = v.half ? KIND[v.half] : KIND.slot;
          head[at] = v.slot.slot;
        } else if (v.kind === "argument" || v.kind === "arguments" || v.kind === "environment") {
          kind = KIND[v.kind];
          head[at] = v.index;
        } else if (v.kind === "text") {
          kind = KIND.data;
          head[at] = data.text(v.text);
        } else {
          const place = data.place(v);
          kind = place[0];
          head[at] = place[1];
        }
        if (a < 4) kinds |= kind << (8 * a);
        else more |= kind << (8 * (a - 4));
      }
      head[w + WORD.kinds] = kinds;
      const { ignore } = policy;
      head[w + WORD.more] = more | ((policy.retries ?? 0) << 16) | ((ignore === "all" ? IGNORE_ALL : 0) << 24);
      if (ignore && ignore !== "all") ignored(step.label, ignore, head, w + WORD.ignore);
      w += STEP / 4;
    }
    first += section.steps.length;
  }

  const bytes = data.finish();
  const words = labels
    ? encoder.encode(program.sections.flatMap((s) => s.steps.map((t) => t.label)).join("\0"))
    : NO_WORDS;
  const relocsAt = head.length * 4;
  const dataAt = relocsAt + data.relocs.length * 4;
  const out = new Uint8Array(dataAt + bytes.length + words.length);
  head.set([
    MAGIC,
    VERSION,
    out.length,
    program.sections.length,
    sectionsAt,
    count,
    stepsAt,
    data.relocs.length / 2,
    relocsAt,
    dataAt,
    bytes.length,
    program.slots.length,
  ]);
  out.set(new Uint8Array(head.buffer));
  new Uint32Array(out.buffer, relocsAt, data.relocs.length).set(data.relocs);
  out.set(bytes, dataAt);
  out.set(words, dataAt + bytes.length);
  return out;
}
