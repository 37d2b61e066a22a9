import { MAGIC } from "./encode.ts";

/** The program in a linked file: it begins at a page, and with its magic number. */
export function programIn(file: Uint8Array): DataView | undefined {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let at = 0; at + 48 <= file.length; at += 4096)
    if (view.getUint32(at, true) === MAGIC) return new DataView(file.buffer, file.byteOffset + at, file.length - at);
  return undefined;
}

/** The label of a step of an encoded program. */
export function labelOf(program: DataView, section: number, step: number): string {
  const word = (at: number) => program.getUint32(at, true);
  const [sectionsAt, stepsAt, dataAt] = [word(16), word(24), word(36)];
  const first = word(sectionsAt + 16 * section);
  const start = dataAt + word(stepsAt + 80 * (first + step) + 72);
  let end = start;
  while (program.getUint8(end) !== 0) end++;
  return new TextDecoder().decode(new Uint8Array(program.buffer, program.byteOffset + start, end - start));
}
