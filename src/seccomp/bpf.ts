/** Classic BPF as seccomp(2) takes it: struct sock_filter, and the offsets of struct seccomp_data. */

export type Instruction = { readonly code: number; readonly jt: number; readonly jf: number; readonly k: number };

export const LOAD = 0x20; // BPF_LD | BPF_W | BPF_ABS
export const AND = 0x54; // BPF_ALU | BPF_AND | BPF_K
export const JUMP = 0x05; // BPF_JMP | BPF_JA
export const JEQ = 0x15;
export const JGT = 0x25;
export const JGE = 0x35;
export const RET = 0x06;

export const NR_AT = 0;
export const ARCH_AT = 4;
export const argLowAt = (i: number) => 16 + 8 * i;
export const argHighAt = (i: number) => 20 + 8 * i;

export const op = (code: number, k: number, jt = 0, jf = 0): Instruction => ({ code, jt, jf, k: k >>> 0 });

/** BPF_MAXINSNS */
export const MAX_INSTRUCTIONS = 4096;

export function filterBytes(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(8 * instructions.length);
  const view = new DataView(bytes.buffer);
  instructions.forEach(({ code, jt, jf, k }, i) => {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, jt);
    view.setUint8(8 * i + 3, jf);
    view.setUint32(8 * i + 4, k, true);
  });
  return bytes;
}

export type SeccompData = { arch: number; nr: number; args: readonly bigint[] };

/** Runs a filter as the kernel would: what tests compare the assembler with. Returns what RET returns. */
export function interpret(filter: readonly Instruction[], data: SeccompData): number {
  const word = (at: number): number => {
    if (at === NR_AT) return data.nr >>> 0;
    if (at === ARCH_AT) return data.arch >>> 0;
    const arg = BigInt.asUintN(64, data.args[(at - 16) >> 3] ?? 0n);
    return Number((at - 16) % 8 === 0 ? arg & 0xffffffffn : arg >> 32n);
  };
  let a = 0;
  for (let pc = 0; ; pc++) {
    const i = filter[pc];
    if (!i) throw new RangeError(`the filter runs off its end at ${pc}`);
    if (i.code === LOAD) a = word(i.k);
    else if (i.code === AND) a = (a & i.k) >>> 0;
    else if (i.code === JUMP) pc += i.k;
    else if (i.code === JEQ) pc += a === i.k ? i.jt : i.jf;
    else if (i.code === JGT) pc += a > i.k ? i.jt : i.jf;
    else if (i.code === JGE) pc += a >= i.k ? i.jt : i.jf;
    else if (i.code === RET) return i.k;
    else throw new RangeError(`instruction ${pc} has the unknown code ${i.code}`);
  }
}
