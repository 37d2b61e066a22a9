/** Links a program with the executor into one ELF file which needs nothing else: `caisson compile`, and the command itself. */

/** The first two words of `linked` in native/executor.c, as bytes. */
const MARK = Buffer.from("ssonLinkedHere01", "latin1");
const PAGE = 65536;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_RW = 6;

const align = (n: number, to: number) => Math.ceil(n / to) * to;

/**
 * Adds the program as a writable segment behind the executor's own, and tells the executor where that is.
 * The program header for it takes the place of PT_GNU_STACK, without which the stack is as it was: arm64 and
 * x86-64 kernels make it executable only for files that ask for it (x86-64: elf_read_implies_exec).
 */
export function link(executor: Uint8Array, program: Uint8Array): Uint8Array {
  const source = new DataView(executor.buffer, executor.byteOffset, executor.length);
  const headers = Number(source.getBigUint64(32, true));
  const size = source.getUint16(54, true);
  const count = source.getUint16(56, true);
  let spare = -1;
  let top = 0;
  for (let i = 0; i < count; i++) {
    const h = headers + i * size;
    const type = source.getUint32(h, true);
    if (type === PT_GNU_STACK) spare = h;
    if (type === PT_LOAD)
      top = Math.max(top, Number(source.getBigUint64(h + 16, true) + source.getBigUint64(h + 40, true)));
  }
  if (spare < 0) throw new Error("the executor has no program header to spare: it was built with other flags");
  const fileAt = align(executor.length, 4096);
  const addressAt = align(top, PAGE) + (fileAt % PAGE);
  const out = new Uint8Array(fileAt + program.length);
  out.set(executor);
  out.set(program, fileAt);
  const view = new DataView(out.buffer);
  view.setUint32(spare, PT_LOAD, true);
  view.setUint32(spare + 4, PF_RW, true);
  const fields = [fileAt, addressAt, addressAt, program.length, program.length, PAGE];
  fields.forEach((v, i) => {
    view.setBigUint64(spare + 8 + 8 * i, BigInt(v), true);
  });
  const at = Buffer.from(executor.buffer, executor.byteOffset, executor.length).indexOf(MARK);
  if (at >= 0) {
    view.setBigUint64(at + MARK.length, BigInt(addressAt), true);
    return out;
  }
  throw new Error("the executor has no place for a program's address: it is of another version");
}
