/**
 * ttrpc's framing: length, stream and type, big-endian, then a message. Sources: containerd's ttrpc, "PROTOCOL.md". A stream
 * is one call; clients number theirs 1, 3, 5…
 */
export const TYPE = { request: 1, response: 2 } as const;
const HEADER = 10;
/** What ttrpc allows a message to have. */
const LONGEST = 4 << 20;

export type Frame = { readonly stream: number; readonly type: number; readonly payload: Uint8Array };

export function frame(stream: number, type: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length);
  view.setUint32(4, stream);
  view.setUint8(8, type);
  bytes.set(payload, HEADER);
  return bytes;
}

/** Puts frames together from what arrives. Throws on one that is longer than any may be. */
export class FrameReader {
  #pending: Uint8Array = new Uint8Array(0);

  *read(chunk: Uint8Array): Generator<Frame> {
    let bytes = chunk;
    if (this.#pending.length) {
      bytes = new Uint8Array(this.#pending.length + chunk.length);
      bytes.set(this.#pending);
      bytes.set(chunk, this.#pending.length);
    }
    let at = 0;
    try {
      while (bytes.length - at >= HEADER) {
        const view = new DataView(bytes.buffer, bytes.byteOffset + at);
        const length = view.getUint32(0);
        if (length > LONGEST) throw new RangeError(`a message of ${length} bytes: ${LONGEST} at most`);
        if (bytes.length - at < HEADER + length) break;
        const from = at + HEADER;
        at = from + length;
        yield { stream: view.getUint32(4), type: view.getUint8(8), payload: bytes.subarray(from, at) };
      }
    } finally {
      this.#pending = bytes.slice(at);
    }
  }
}
