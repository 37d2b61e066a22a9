/** The rules of a network and of a container, as requests to nf_tables. Pure. */
import { be16, concat, u8, u32 } from "../kernel/netlink.ts";
import {
  CT_STATE,
  CT_STATUS_DNAT,
  compare,
  conntrack,
  dnat,
  type Expression,
  forThisMachine,
  interfaceName,
  lookup,
  mask,
  masquerade,
  meta,
  NFPROTO,
  payload,
  register,
  verdict,
} from "../kernel/nft-expressions.ts";
import {
  addElements,
  deleteElements,
  type Element,
  freshTable,
  key,
  newChain,
  newRule,
  newSet,
  type Request,
} from "../kernel/nftables.ts";
import type { Address, Family } from "../kernel/rtnetlink.ts";
import { BITS, maskOf } from "./address.ts";
import { type Port, protocolNumbers } from "./ports.ts";

export const networkTable = (network: string) => `caisson-net-${network}`;
export const containerTable = (container: string) => `caisson-${container}`;

const families = ["ipv4", "ipv6"] as const;
const SOURCE = { ipv4: 12, ipv6: 8 } as const;
const DESTINATION = { ipv4: 16, ipv6: 24 } as const;
export const bytesOf = (family: Family) => BITS[family] / 8;
const isFamily = (family: Family): Expression[] => [meta("nfproto"), compare("==", u8(NFPROTO[family]))];
const from = (name: string): Expression[] => [meta("iifname"), compare("==", interfaceName(name))];
const to = (name: string, how: "==" | "!=" = "=="): Expression[] => [
  meta("oifname"),
  compare(how, interfaceName(name)),
];

const within = (subnet: Address, at: typeof SOURCE | typeof DESTINATION): Expression[] => [
  ...isFamily(subnet.family),
  payload("network", at[subnet.family], bytesOf(subnet.family)),
  mask(Uint8Array.from(maskOf(subnet))),
  compare("==", Uint8Array.from(subnet.bytes.map((b, i) => b & (maskOf(subnet)[i] ?? 0)))),
];
const loopback: Address = { family: "ipv4", prefix: 8, bytes: [127, 0, 0, 0] };

const proto = (n: number): Expression[] => [meta("l4proto"), compare("==", u8(n))];

const ICMPV6 = 58;
const icmp6 = (type: number): Expression[] => [...proto(ICMPV6), payload("transport", 0, 1), compare("==", u8(type))];
/** Of neighbour discovery (RFC 4861), what a container has to say: it asks for routers and neighbours, and answers. It is no router. */
const SOLICITATIONS = [133, 135, 136];

const PORT_OFFSET = 2;
const DNS = 53;
export const question = (protocol: "udp" | "tcp"): Expression[] => [
  ...proto(protocolNumbers[protocol]),
  payload("transport", PORT_OFFSET, 2),
  compare("==", be16(DNS)),
];
const questionsTo = (resolver: Address): Expression[][] =>
  (["tcp", "udp"] as const).map((protocol) => [
    payload("network", DESTINATION[resolver.family], bytesOf(resolver.family)),
    compare("==", Uint8Array.from(resolver.bytes)),
    ...question(protocol),
  ]);

const state = (bits: number): Expression[] => [conntrack("state"), mask(u32(bits)), compare("!=", u32(0))];
const translated: Expression[] = [conntrack("status"), mask(u32(CT_STATUS_DNAT)), compare("!=", u32(0))];

export type NetworkShape = {
  readonly bridge: string;
  readonly subnets: readonly Address[];
  readonly internal: boolean;
  /** Where its resolver answers: of this machine, an internal network reaches that alone. */
  readonly resolvers: readonly Address[];
};

/**
 * The rules of a bridge: what leaves it has this machine's address; nothing from elsewhere comes in but answers and
 * published ports; and no container reaches what listens on this machine's loopback addresses (CVE-2020-8558).
 */
export function networkRules(network: string, { bridge, subnets, internal, resolvers }: NetworkShape): Request[] {
  const table = networkTable(network);
  const chain = (
    name: string,
    type: "filter" | "nat",
    hook: "prerouting" | "postrouting" | "forward" | "input",
    priority: number,
  ) => newChain("inet", table, name, { type, hook, priority });
  const rule = (name: string, ...expressions: Expression[]) => newRule("inet", table, name, expressions);
  return [
    ...freshTable("inet", table),
    chain("early", "filter", "prerouting", -300),
    rule("early", ...from(bridge), ...within(loopback, DESTINATION), verdict("drop")),
    chain("forward", "filter", "forward", 0),
    ...(internal
      ? [rule("forward", ...from(bridge), ...to(bridge, "!="), verdict("drop"))]
      : [rule("forward", ...to(bridge), ...state(CT_STATE.established | CT_STATE.related), verdict("accept"))]),
    rule("forward", ...from(bridge), ...to(bridge), verdict("accept")),
    ...(internal ? [] : [rule("forward", ...to(bridge), ...translated, verdict("accept"))]),
    rule("forward", ...to(bridge), verdict("drop")),
    ...(internal
      ? [
          chain("input", "filter", "input", 0),
          rule("input", ...from(bridge), ...state(CT_STATE.established | CT_STATE.related), verdict("accept")),
          ...SOLICITATIONS.map((type) =>
            rule("input", ...from(bridge), ...isFamily("ipv6"), ...icmp6(type), verdict("accept")),
          ),
          ...resolvers.flatMap((r) =>
            questionsTo(r).map((q) => rule("input", ...from(bridge), ...isFamily(r.family), ...q, verdict("accept"))),
          ),
          rule("input", ...from(bridge), verdict("drop")),
        ]
      : []),
    chain("postrouting", "nat", "postrouting", 100),
    rule("postrouting", ...to(bridge), ...within(loopback, SOURCE), masquerade),
    ...subnets.flatMap((subnet) => [
      ...(internal ? [] : [rule("postrouting", ...within(subnet, SOURCE), ...to(bridge, "!="), masquerade)]),
      // Of a published port of a neighbour's: its answer would not come back the way that the question went.
      rule("postrouting", ...within(subnet, SOURCE), ...to(bridge), ...translated, masquerade),
    ]),
  ];
}

const portMap = (family: Family, bound: boolean) => `${bound ? "bound" : "any"}-${family}`;

/** Where a published port leads: by protocol and port, or by address, protocol and port. */
function portRule(table: string, chain: string, family: Family, bound: boolean): Request {
  const words = bytesOf(family) / 4;
  const [first, to] = [bound ? words : 0, bound ? words + 2 : 2];
  return newRule("inet", table, chain, [
    ...(bound ? [] : forThisMachine),
    ...isFamily(family),
    ...(bound ? [payload("network", DESTINATION[family], bytesOf(family))] : []),
    meta("l4proto", register(first)),
    payload("transport", PORT_OFFSET, 2, register(first + 1)),
    lookup(portMap(family, bound), register(0), register(to)),
    dnat(family, register(to), register(to + words)),
  ]);
}

/** The table of a container with published ports: they are elements of its maps, added and removed while it runs. */
export function portTable(container: string): Request[] {
  const table = containerTable(container);
  const kinds = families.flatMap((family) => [true, false].map((bound) => ({ family, bound })));
  const sets = kinds.map(({ family, bound }) =>
    newSet("inet", table, {
      name: portMap(family, bound),
      fields: bound ? [bytesOf(family), 1, 2] : [1, 2],
      data: bytesOf(family) + 4,
    }),
  );
  const chain = (hook: "prerouting" | "output") => [
    newChain("inet", table, hook, { type: "nat", hook, priority: -100 }),
    ...kinds.map(({ family, bound }) => portRule(table, hook, family, bound)),
  ];
  return [...freshTable("inet", table), ...sets, ...chain("prerouting"), ...chain("output")];
}

function portElements(port: Port, addresses: readonly Address[]): { set: string; element: Element }[] {
  return addresses.flatMap((own) => {
    if (port.address && port.address.family !== own.family) return [];
    const number = [u8(protocolNumbers[port.protocol]), be16(port.host)];
    const outside = port.address ? key(Uint8Array.from(port.address.bytes), ...number) : key(...number);
    const data = key(Uint8Array.from(own.bytes), be16(port.container));
    return [{ set: portMap(own.family, port.address !== undefined), element: { key: outside, data } }];
  });
}

export const addPort = (container: string, port: Port, addresses: readonly Address[]): Request[] =>
  portElements(port, addresses).map(({ set, element }) =>
    addElements("inet", containerTable(container), set, [element]),
  );

export const removePort = (container: string, port: Port, addresses: readonly Address[]): Request[] =>
  portElements(port, addresses).map(({ set, element }) =>
    deleteElements("inet", containerTable(container), set, [{ key: element.key }]),
  );

/* ---- what a container may reach ---- */

export type Target = {
  readonly subnet: Address;
  readonly protocol?: "tcp" | "udp";
  readonly port?: number;
  /** Milliseconds until it is no longer allowed. */
  readonly timeout?: number;
};

const allowed = (family: Family) => `allowed-${family}`;
const ETHERTYPE = { arp: be16(0x0806), ipv4: be16(0x0800), ipv6: be16(0x86dd) } as const;
const ANY_PORT = 65535;
const TCP_FLAGS_AT = 13;
const [SYN, ACK] = [2, 16];

function targetElement({ subnet, protocol, port, timeout }: Target): Element {
  const bits = maskOf(subnet);
  const first = Uint8Array.from(subnet.bytes.map((b, i) => b & (bits[i] ?? 0)));
  const last = Uint8Array.from(subnet.bytes.map((b, i) => b | (~(bits[i] ?? 0) & 0xff)));
  const number = protocol && protocolNumbers[protocol];
  return {
    key: key(first, u8(number ?? 0), be16(port ?? 0)),
    end: key(last, u8(number ?? 255), be16(port ?? ANY_PORT)),
    ...(timeout && { timeout }),
  };
}

export const allowTargets = (container: string, targets: readonly Target[]): Request[] =>
  families.flatMap((family) => {
    const list = targets.filter((t) => t.subnet.family === family).map(targetElement);
    return list.length ? [addElements("netdev", containerTable(container), allowed(family), list)] : [];
  });

/** Answers to who used a published port: from that port, and in TCP nothing that begins a connection. */
export const serveRule = (container: string, p: Port, place: "first" | "last" = "last"): Request =>
  newRule(
    "netdev",
    containerTable(container),
    "sent",
    [
      meta("l4proto"),
      compare("==", u8(protocolNumbers[p.protocol])),
      payload("transport", 0, 2),
      compare("==", be16(p.container)),
      ...(p.protocol === "tcp"
        ? [payload("transport", TCP_FLAGS_AT, 1), mask(u8(SYN | ACK)), compare("!=", u8(SYN))]
        : []),
      verdict("accept"),
    ],
    place,
  );

/**
 * Everything that a container sends passes the host's end of its pair of interfaces: what it may reach is decided
 * there, before bridge, routes and this machine's own services see it. Answers to who used a published port may pass.
 */
export function egressRules(
  container: string,
  device: string,
  targets: readonly Target[],
  resolvers: readonly Address[],
  served: readonly Port[],
  last: "reject" | "drop",
): Request[] {
  const table = containerTable(container);
  const rule = (...expressions: Expression[]) => newRule("netdev", table, "sent", expressions);
  const is = (type: keyof typeof ETHERTYPE): Expression[] => [meta("protocol"), compare("==", ETHERTYPE[type])];
  return [
    ...freshTable("netdev", table),
    ...families.map((family) =>
      newSet("netdev", table, {
        name: allowed(family),
        fields: [bytesOf(family), 1, 2],
        interval: true,
        timeout: true,
      }),
    ),
    newChain("netdev", table, "sent", { type: "filter", hook: "ingress", priority: 0, device }),
    rule(...is("arp"), verdict("accept")),
    ...SOLICITATIONS.map((type) => rule(...is("ipv6"), ...icmp6(type), verdict("accept"))),
    ...resolvers.flatMap((r) => questionsTo(r).map((q) => rule(...is(r.family), ...q, verdict("accept")))),
    ...served.map((p) => serveRule(container, p)),
    ...families.map((family) => {
      const words = bytesOf(family) / 4;
      return rule(
        ...is(family),
        payload("network", DESTINATION[family], bytesOf(family)),
        meta("l4proto", register(words)),
        payload("transport", PORT_OFFSET, 2, register(words + 1)),
        lookup(allowed(family)),
        verdict("accept"),
      );
    }),
    rule(last === "reject" ? reject : verdict("drop")),
    ...allowTargets(container, targets),
  ];
}

/** The sender is told at once: administratively prohibited. Not every kernel can say so here (CONFIG_NFT_REJECT_NETDEV). */
const reject: Expression = [
  "reject",
  [
    [1, concat(new Uint8Array(3), u8(2))],
    [2, u8(3)],
  ],
];
