/** Requests of rtnetlink(7): linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/veth.h, linux/pkt_sched.h. */
import {
  type Attribute,
  concat,
  type Hole,
  type Message,
  message,
  moved,
  NLM_F,
  text,
  u8,
  u16,
  u32,
} from "./netlink.ts";

const RTM = { NEWLINK: 16, DELLINK: 17, NEWADDR: 20, NEWROUTE: 24, NEWQDISC: 36 } as const;
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  LINKINFO: 18,
  NET_NS_PID: 19,
  NET_NS_FD: 28,
  NEW_IFINDEX: 49,
} as const;
const IFLA_INFO = { KIND: 1, DATA: 2 } as const;
const VETH_INFO_PEER = 1;
const IFLA_MACVLAN_MODE = 1;
const IFLA_IPVLAN_MODE = 1;
const IFA = { ADDRESS: 1, LOCAL: 2, FLAGS: 8 } as const;
const IFA_F_NODAD = 2;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5 } as const;
const TCA = { KIND: 1, OPTIONS: 2 } as const;
const TCA_TBF = { PARMS: 1, RATE64: 4, BURST: 6 } as const;
const IFF_UP = 1;
const AF = { ipv4: 2, ipv6: 10 } as const;
const RT = { TABLE_MAIN: 254, PROT_STATIC: 4, SCOPE_UNIVERSE: 0, UNICAST: 1 } as const;
const TC_H_ROOT = 0xffffffff;

export type Family = keyof typeof AF;
export type Address = { readonly family: Family; readonly prefix: number; readonly bytes: readonly number[] };

const ack = NLM_F.ACK;
const make = NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL;

/** struct ifinfomsg */
function link(index: number, flags = 0): Uint8Array {
  const body = new Uint8Array(16);
  const view = new DataView(body.buffer);
  view.setInt32(4, index, true);
  view.setUint32(8, flags, true);
  view.setUint32(12, flags, true);
  return body;
}

const kind = (name: string, data: readonly Attribute[] = []): Attribute => [
  IFLA.LINKINFO,
  [[IFLA_INFO.KIND, text(name)], ...(data.length ? ([[IFLA_INFO.DATA, data]] as const) : [])],
];

/** Moves an interface to another network namespace, whose descriptor goes to the hole "namespace", under a name. */
export const moveLink = (index: number, name: string): Message =>
  message(RTM.NEWLINK, ack, link(index), [
    [IFLA.NET_NS_FD, { hole: "namespace" }],
    [IFLA.IFNAME, text(name)],
    // The number that it has is taken there or not; then the kernel says so, instead of choosing another.
    [IFLA.NEW_IFINDEX, u32(index)],
  ]);

export const linkUp = (index: number): Message => message(RTM.NEWLINK, ack, link(index, IFF_UP), []);

/** The same by its name, for those whose number is not known. */
export const namedLinkUp = (name: string): Message =>
  message(RTM.NEWLINK, ack, link(0, IFF_UP), [[IFLA.IFNAME, text(name)]]);

export const newBridge = (name: string, mac: Uint8Array): Message =>
  message(RTM.NEWLINK, make, link(0), [[IFLA.IFNAME, text(name)], [IFLA.ADDRESS, mac], kind("bridge")]);

/** The number of the bridge, or of any other interface, goes to the hole "master". */
export const setMaster = (name: string): Message =>
  message(RTM.NEWLINK, ack, link(0), [
    [IFLA.IFNAME, text(name)],
    [IFLA.MASTER, { hole: "master" }],
  ]);

export const removeLink = (name: string): Message => message(RTM.DELLINK, ack, link(0), [[IFLA.IFNAME, text(name)]]);

/** What an interface that is made for a container is to be; the process whose namespace it is goes to the hole "pid". */
export type NewLink = {
  readonly name: string;
  readonly index: number;
  readonly mac?: Uint8Array;
  readonly mtu?: number;
};

const inside = (l: NewLink): Attribute[] => [
  [IFLA.IFNAME, text(l.name)],
  [IFLA.NET_NS_PID, { hole: "pid" } satisfies Hole],
  ...(l.mac ? ([[IFLA.ADDRESS, l.mac]] as const) : []),
  ...(l.mtu ? ([[IFLA.MTU, u32(l.mtu)]] as const) : []),
];

/** A pair of interfaces, veth(4): one here, one there. */
export const newVeth = (name: string, mac: Uint8Array, peer: NewLink): Message => {
  const there = message(0, 0, link(peer.index), inside(peer));
  // The peer is described as a whole message is, but for the header.
  const head = 16;
  const m = message(RTM.NEWLINK, make, link(0), [
    [IFLA.IFNAME, text(name)],
    [IFLA.ADDRESS, mac],
    ...(peer.mtu ? ([[IFLA.MTU, u32(peer.mtu)]] as const) : []),
    kind("veth", [[VETH_INFO_PEER, there.bytes.subarray(head)]]),
  ]);
  const start = m.bytes.length - (there.bytes.length - head);
  return { bytes: m.bytes, holes: moved(there.holes, start - head) };
};

const macvlanModes = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
const ipvlanModes = { l2: 0, l3: 1, l3s: 2 } as const;
export type MacvlanMode = keyof typeof macvlanModes;
export type IpvlanMode = keyof typeof ipvlanModes;
export const macvlanModeNames = Object.keys(macvlanModes) as readonly MacvlanMode[];
export const ipvlanModeNames = Object.keys(ipvlanModes) as readonly IpvlanMode[];

export type SubLink =
  | { readonly kind: "macvlan"; readonly mode: MacvlanMode }
  | { readonly kind: "ipvlan"; readonly mode: IpvlanMode };

/** An interface on top of another of this machine's, whose number goes to the hole "parent". */
export const newSubLink = (l: NewLink, sub: SubLink): Message =>
  message(RTM.NEWLINK, make, link(l.index), [
    ...inside(l),
    [IFLA.LINK, { hole: "parent" }],
    sub.kind === "macvlan"
      ? kind("macvlan", [[IFLA_MACVLAN_MODE, u32(macvlanModes[sub.mode])]])
      : kind("ipvlan", [[IFLA_IPVLAN_MODE, u16(ipvlanModes[sub.mode])]]),
  ]);

/** An address of the interface whose number is given, or goes to the hole "index". No other machine is asked first. */
export function addAddress(index: number | undefined, a: Address): Message {
  const body = new Uint8Array(8);
  body[0] = AF[a.family];
  body[1] = a.prefix;
  new DataView(body.buffer).setUint32(4, index ?? 0, true);
  const data = Uint8Array.from(a.bytes);
  const m = message(RTM.NEWADDR, make, body, [
    [IFA.LOCAL, data],
    [IFA.ADDRESS, data],
    ...(a.family === "ipv6" ? ([[IFA.FLAGS, u32(IFA_F_NODAD)]] as const) : []),
  ]);
  return index === undefined ? { ...m, holes: { index: { at: 16 + 4, size: 4 } } } : m;
}

/** A route by way of a gateway; with no destination, the default one. */
export function addRoute(index: number, gateway: Address | undefined, to?: Address): Message {
  const family = (gateway ?? to)?.family ?? "ipv4";
  const body = new Uint8Array(12);
  body.set([AF[family], to?.prefix ?? 0, 0, 0, RT.TABLE_MAIN, RT.PROT_STATIC, RT.SCOPE_UNIVERSE, RT.UNICAST]);
  return message(RTM.NEWROUTE, make, body, [
    ...(to ? ([[RTA.DST, Uint8Array.from(to.bytes)]] as const) : []),
    ...(gateway ? ([[RTA.GATEWAY, Uint8Array.from(gateway.bytes)]] as const) : []),
    [RTA.OIF, u32(index)],
  ]);
}

const PSCHED_TICK_NS = 64;
const TC_LINKLAYER_ETHERNET = 1;
/** Milliseconds that a packet may wait before it is dropped. */
const LATENCY_MS = 50;

/**
 * A token bucket, tbf(8): `rate` bytes a second leave the interface whose number is given, or goes to the hole "index".
 */
export function limitRate(index: number | undefined, rate: number, burst: number): Message {
  const body = new Uint8Array(20);
  const view = new DataView(body.buffer);
  view.setInt32(4, index ?? 0, true);
  view.setUint32(12, TC_H_ROOT, true);
  // struct tc_tbf_qopt: two of struct tc_ratespec, then limit, buffer and mtu.
  const options = new Uint8Array(36);
  const o = new DataView(options.buffer);
  o.setUint8(1, TC_LINKLAYER_ETHERNET);
  o.setUint32(8, Math.min(rate, 0xffffffff), true);
  o.setUint32(24, Math.min(0xffffffff, Math.round((rate * LATENCY_MS) / 1000 + burst)), true);
  o.setUint32(28, Math.min(0xffffffff, Math.round(((burst / rate) * 1e9) / PSCHED_TICK_NS)), true);
  const wide = new Uint8Array(new BigUint64Array([BigInt(Math.round(rate))]).buffer);
  const m = message(RTM.NEWQDISC, ack | NLM_F.CREATE, body, [
    [TCA.KIND, text("tbf")],
    [
      TCA.OPTIONS,
      [
        [TCA_TBF.PARMS, options],
        ...(rate > 0xffffffff ? ([[TCA_TBF.RATE64, wide]] as const) : []),
        [TCA_TBF.BURST, u32(burst)],
      ],
    ],
  ]);
  return index === undefined ? { ...m, holes: { index: { at: 16 + 4, size: 4 } } } : m;
}

/** A locally administered address (IEEE 802), made of five bytes. */
export const macOf = (bytes: Uint8Array): Uint8Array => concat(u8(0x02), bytes.subarray(0, 5));
