/** Messages of rtnetlink(7): linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h. */

export const AF_NETLINK = 16;
export const NETLINK_ROUTE = 0;
export const SOCK_RAW = 3;
const NLM_F = { REQUEST: 1, ACK: 4, EXCL: 0x200, CREATE: 0x400 } as const;
const RTM = { NEWLINK: 16, NEWADDR: 20 } as const;
const IFLA = { IFNAME: 3, NET_NS_FD: 28, NEW_IFINDEX: 49 } as const;
const IFA = { ADDRESS: 1, LOCAL: 2 } as const;
const IFF_UP = 1;
const AF = { ipv4: 2, ipv6: 10 } as const;

const HEADER = 16;
const ALIGN = 4;
const aligned = (n: number) => Math.ceil(n / ALIGN) * ALIGN;

type Attribute = readonly [type: number, data: Uint8Array];

const u32 = (n: number) => new Uint8Array(new Uint32Array([n]).buffer);

/** One message; `at` says where the data of an attribute is, to be filled in when it is known. */
function message(
  type: number,
  flags: number,
  body: Uint8Array,
  attributes: readonly Attribute[],
): { bytes: Uint8Array; at: (type: number) => number } {
  const places = new Map<number, number>();
  let size = HEADER + aligned(body.length);
  for (const [kind, data] of attributes) {
    places.set(kind, size + ALIGN);
    size += ALIGN + aligned(data.length);
  }
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, size, true);
  view.setUint16(4, type, true);
  view.setUint16(6, NLM_F.REQUEST | NLM_F.ACK | flags, true);
  bytes.set(body, HEADER);
  for (const [kind, data] of attributes) {
    const place = places.get(kind) ?? 0;
    view.setUint16(place - ALIGN, ALIGN + data.length, true);
    view.setUint16(place - 2, kind, true);
    bytes.set(data, place);
  }
  return { bytes, at: (kind) => places.get(kind) ?? 0 };
}

/** struct ifinfomsg */
function link(index: number, flags = 0): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, flags, true);
  return body;
}

/** Moves an interface to another network namespace, whose descriptor goes to `fdAt`, under a name. */
export function moveLink(index: number, name: string): { bytes: Uint8Array; fdAt: number } {
  const m = message(RTM.NEWLINK, 0, link(index), [
    [IFLA.NET_NS_FD, u32(0)],
    [IFLA.IFNAME, new TextEncoder().encode(`${name}\0`)],
    // The number that it has is taken there or not; then the kernel says so, instead of choosing another.
    [IFLA.NEW_IFINDEX, u32(index)],
  ]);
  return { bytes: m.bytes, fdAt: m.at(IFLA.NET_NS_FD) };
}

export const linkUp = (index: number): Uint8Array => message(RTM.NEWLINK, 0, link(index, IFF_UP), []).bytes;

export type Address = { readonly family: keyof typeof AF; readonly prefix: number; readonly bytes: readonly number[] };

export function addAddress(index: number, a: Address): Uint8Array {
  const body = new Uint8Array(8);
  body[0] = AF[a.family];
  body[1] = a.prefix;
  new DataView(body.buffer).setUint32(4, index, true);
  const data = Uint8Array.from(a.bytes);
  return message(RTM.NEWADDR, NLM_F.CREATE | NLM_F.EXCL, body, [
    [IFA.LOCAL, data],
    [IFA.ADDRESS, data],
  ]).bytes;
}

/** Where an answer has its error, a negative errno or 0: struct nlmsgerr. */
export const ANSWER = { error: HEADER, size: 20 } as const;
