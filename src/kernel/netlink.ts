/** Messages of netlink(7): linux/netlink.h. What speaks a protocol of it is in a file of its own. */

export const AF_NETLINK = 16;
export const SOCK_RAW = 3;
export const NETLINK = { ROUTE: 0, NETFILTER: 12 } as const;
export const NLM_F = {
  REQUEST: 1,
  ACK: 4,
  ECHO: 8,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;
const NLA_F_NESTED = 0x8000;

const HEADER = 16;
const ALIGN = 4;
const aligned = (n: number) => Math.ceil(n / ALIGN) * ALIGN;

/** What is known only while a program is performed: a place of 4 bytes, or of 8, by its name. */
export type Hole = { readonly hole: string; readonly size?: 8 };
type Place = { readonly at: number; readonly size: 4 | 8 };
export type Attribute = readonly [type: number, data: Uint8Array | Hole | readonly Attribute[]];
/** A message, and where its holes are. */
export type Message = { readonly bytes: Uint8Array; readonly holes: Readonly<Record<string, Place>> };

export const u8 = (n: number) => new Uint8Array([n]);
export const u16 = (n: number) => new Uint8Array(new Uint16Array([n]).buffer);
export const u32 = (n: number) => new Uint8Array(new Uint32Array([n]).buffer);
export const u64 = (n: number | bigint) => new Uint8Array(new BigUint64Array([BigInt(n)]).buffer);
/** In network byte order, as nf_tables has its numbers. */
export const be32 = (n: number) => new Uint8Array([n >>> 24, n >>> 16, n >>> 8, n].map((b) => b & 0xff));
export const be16 = (n: number) => new Uint8Array([(n >> 8) & 0xff, n & 0xff]);
export const be64 = (n: number | bigint) => new Uint8Array(u64(n)).reverse();
export const text = (s: string) => new TextEncoder().encode(`${s}\0`);

export const concat = (...parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    bytes.set(p, at);
    at += p.length;
  }
  return bytes;
};

function sizeOf([, data]: Attribute): number {
  if (data instanceof Uint8Array) return ALIGN + data.length;
  if ("hole" in data) return ALIGN + (data.size ?? 4);
  return ALIGN + data.reduce((n, a) => n + aligned(sizeOf(a)), 0);
}

function write(view: DataView, at: number, a: Attribute, holes: Record<string, Place>): void {
  const [type, data] = a;
  const nested = !(data instanceof Uint8Array) && !("hole" in data);
  view.setUint16(at, sizeOf(a), true);
  view.setUint16(at + 2, nested ? type | NLA_F_NESTED : type, true);
  let inside = at + ALIGN;
  if (data instanceof Uint8Array) new Uint8Array(view.buffer).set(data, inside);
  else if ("hole" in data) holes[data.hole] = { at: inside, size: data.size ?? 4 };
  else
    for (const child of data) {
      write(view, inside, child, holes);
      inside += aligned(sizeOf(child));
    }
}

/** One request; the kernel acknowledges it, unless the flags are given without ACK. */
export function message(
  type: number,
  flags: number,
  body: Uint8Array,
  attributes: readonly Attribute[],
  sequence = 0,
): Message {
  const start = HEADER + aligned(body.length);
  const bytes = new Uint8Array(start + attributes.reduce((n, a) => n + aligned(sizeOf(a)), 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F.REQUEST | flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER);
  const holes: Record<string, Place> = {};
  let at = start;
  for (const a of attributes) {
    write(view, at, a, holes);
    at += aligned(sizeOf(a));
  }
  return { bytes, holes };
}

export const moved = (holes: Message["holes"], by: number): Message["holes"] =>
  Object.fromEntries(Object.entries(holes).map(([name, { at, size }]) => [name, { at: at + by, size }]));

/** Where an answer has its error, a negative errno or 0: struct nlmsgerr. */
export const ANSWER = { error: HEADER, size: 20 } as const;
