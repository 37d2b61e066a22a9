import { readFileSync } from "node:fs";

/** The code of the kernel that each process has mapped, and where functions are in it: vdso(7), elf(5). */
export type Vdso = { readonly base: bigint; readonly size: number };

export function vdsoOf(pid: number): Vdso | undefined {
  const line = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(readFileSync(`/proc/${pid}/maps`, "utf8"));
  if (!line) return undefined;
  const [base, end] = [BigInt(`0x${line[1]}`), BigInt(`0x${line[2]}`)];
  return { base, size: Number(end - base) };
}

const PT_DYNAMIC = 2;
const DT = { HASH: 4, STRTAB: 5, SYMTAB: 6, GNU_HASH: 0x6ffffef5 } as const;
const SYMBOL = 24;

/** Functions by name, as offsets from the beginning of the image. */
export function functionsOf(image: Uint8Array): Map<string, number> {
  const v = new DataView(image.buffer, image.byteOffset, image.length);
  const n = (at: number) => Number(v.getBigUint64(at, true));
  const headers = Array.from({ length: v.getUint16(56, true) }, (_, i) => n(32) + i * v.getUint16(54, true));
  const dynamic = headers.find((h) => v.getUint32(h, true) === PT_DYNAMIC);
  if (dynamic === undefined) return new Map();
  const tags = new Map<number, number>();
  for (let at = n(dynamic + 8); n(at) !== 0; at += 16) tags.set(n(at), n(at + 8));
  const [strings = 0, symbols = 0] = [tags.get(DT.STRTAB), tags.get(DT.SYMTAB)];
  // The table of symbols ends where that of texts begins, in the one image that the kernel has.
  const count = Math.floor((strings - symbols) / SYMBOL);
  const found = new Map<string, number>();
  for (let i = 1; i < count; i++) {
    const at = symbols + i * SYMBOL;
    const name = strings + v.getUint32(at, true);
    let end = name;
    while (image[end]) end++;
    const value = n(at + 8);
    if (value > 0 && value < image.length) found.set(Buffer.from(image.subarray(name, end)).toString("latin1"), value);
  }
  return found;
}
