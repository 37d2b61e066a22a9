/** What the executor or a process of a program says: an answer with slots, or a record that the program wrote. */
export type Frame = { kind: number; payload: DataView };
export const FRAME_HEADER = 16;
export const KIND = { answer: 0, malformed: 1, started: 2, ended: 3, event: 4 } as const;

/** A program as a step "serve" reads it: its length and a token before it. */
export function asked(program: Uint8Array, token = 0): Uint8Array {
  const bytes = new Uint8Array(8 + program.length);
  new Uint32Array(bytes.buffer, 0, 2).set([program.length, token]);
  bytes.set(program, 8);
  return bytes;
}

/** The header of a frame that a program's own process writes to the launcher's socket. */
export function frameHeader(kind: number, token: number, payload: number): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER + payload);
  new Uint32Array(bytes.buffer, 0, 4).set([bytes.length, token, kind, 0]);
  return bytes;
}
