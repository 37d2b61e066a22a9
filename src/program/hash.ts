import { bytesOf } from "../values/bytes.ts";

const PRIME = 0x01000193;
/** What a hash begins with. */
export const HASH_START = 0x811c9dc5;

/** FNV-1a of 32 bits over texts, each with its NUL: as the executor's step has it. */
export function hashOf(texts: readonly string[]): number {
  let h = HASH_START;
  for (const text of texts) {
    for (const byte of bytesOf(text)) h = Math.imul(h ^ byte, PRIME);
    h = Math.imul(h, PRIME);
  }
  return h >>> 0;
}
