import { MAGIC } from "./encode.ts";

/** The program in a linked file: it begins at a page, and with its magic number. */
export function programIn(file: Uint8Array): DataView | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let at = 0; at + 48 <= file.length; at += 4096)
    if (view.getUint32(at, true) === MAGIC) return new DataView(file.buffer, file.byteOffset + at, file.length - at);
  return undefined;
}

/** The label of a step of an encoded program: behind its data, in the order of the steps. */
export function labelOf(program: DataView, section: number, step: number): string {
  const word = (at: number) => program.getUint32(at, true);
  const [size, sectionsAt, dataAt, dataLength] = [word(8), word(16), word(36), word(40)];
  const from = dataAt + dataLength;
  const labels = new Uint8Array(program.buffer, program.byteOffset + from, size - from);
  return new TextDecoder().decode(labels).split("\0")[word(sectionsAt + 16 * section) + step] ?? "";
}
