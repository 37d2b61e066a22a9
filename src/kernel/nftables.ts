/** Messages of nf_tables: linux/netfilter/nf_tables.h, nfnetlink.h. A batch of them holds as a whole, or not at all. */
import {
  type Attribute,
  be16,
  be32,
  be64,
  concat,
  type Hole,
  type Message,
  message,
  NLM_F,
  text,
  u8,
  u32,
} from "./netlink.ts";

const SUBSYSTEM = 10;
const BATCH = { BEGIN: 16, END: 17 } as const;
const MSG = { NEWTABLE: 0, DELTABLE: 2, NEWCHAIN: 3, NEWRULE: 6, NEWSET: 9, NEWSETELEM: 12, DELSETELEM: 14 } as const;
export const NFPROTO = { inet: 1, ipv4: 2, netdev: 5, ipv6: 10 } as const;
export type TableFamily = "inet" | "netdev";
const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4, ingress: 0 } as const;
const LIST_ELEM = 1;
const DATA = { VALUE: 1, VERDICT: 2 } as const;
const VERDICT_REGISTER = 0;

/** A part of a batch: its kind and content; the numbers are given when the batch is put together. */
export type Request = {
  readonly type: number;
  readonly flags: number;
  readonly family: TableFamily;
  readonly attributes: readonly Attribute[];
};

const create = NLM_F.CREATE;
const nfgen = (family: number, resource = 0) => concat(u8(family), u8(0), be16(resource));

/** The requests as one write, whose last one is acknowledged: an error of any comes before that. */
export function batch(requests: readonly Request[]): Message {
  const parts = [
    message(BATCH.BEGIN, 0, nfgen(0, SUBSYSTEM), []),
    ...requests.map((r, i) =>
      message(
        (SUBSYSTEM << 8) | r.type,
        r.flags | (i === requests.length - 1 ? NLM_F.ACK : 0),
        nfgen(NFPROTO[r.family]),
        r.attributes,
        i + 1,
      ),
    ),
    message(BATCH.END, 0, nfgen(0, SUBSYSTEM), []),
  ];
  const holes: Record<string, number> = {};
  let at = 0;
  for (const p of parts) {
    for (const [name, place] of Object.entries(p.holes)) holes[name] = at + place;
    at += p.bytes.length;
  }
  return { bytes: concat(...parts.map((p) => p.bytes)), holes };
}

export const newTable = (family: TableFamily, table: string): Request => ({
  type: MSG.NEWTABLE,
  flags: create,
  family,
  attributes: [[1, text(table)]],
});

export const deleteTable = (family: TableFamily, table: string): Request => ({
  type: MSG.DELTABLE,
  flags: 0,
  family,
  attributes: [[1, text(table)]],
});

/** A table that begins empty, whether there was one before or not. */
export const freshTable = (family: TableFamily, table: string): Request[] => [
  newTable(family, table),
  deleteTable(family, table),
  newTable(family, table),
];

export type BaseChain = {
  readonly type: "filter" | "nat";
  readonly hook: keyof typeof HOOK;
  readonly priority: number;
  /** Of the netdev family: the interface. */
  readonly device?: string;
};

export const newChain = (family: TableFamily, table: string, name: string, base: BaseChain): Request => ({
  type: MSG.NEWCHAIN,
  flags: create,
  family,
  attributes: [
    [1, text(table)],
    [3, text(name)],
    [
      4,
      [
        [1, be32(HOOK[base.hook])],
        [2, be32(base.priority)],
        ...(base.device === undefined ? [] : ([[3, text(base.device)]] as const)),
      ],
    ],
    [7, text(base.type)],
  ],
});

export type Expression = readonly [name: string, data: readonly Attribute[]];

export const newRule = (
  family: TableFamily,
  table: string,
  chain: string,
  expressions: readonly Expression[],
  place: "last" | "first" = "last",
): Request => ({
  type: MSG.NEWRULE,
  flags: create | (place === "last" ? NLM_F.APPEND : 0),
  family,
  attributes: [
    [1, text(table)],
    [2, text(chain)],
    [
      4,
      expressions.map(
        ([name, data]): Attribute => [
          LIST_ELEM,
          [
            [1, text(name)],
            [2, data],
          ],
        ],
      ),
    ],
  ],
});

export type SetOptions = {
  readonly name: string;
  /** The length of each part of the key, in bytes; in the key each is padded to 4. */
  readonly fields: readonly number[];
  /** The length of what a key is mapped to. */
  readonly data?: number;
  readonly interval?: boolean;
  readonly timeout?: boolean;
};

const SET = { INTERVAL: 4, MAP: 8, TIMEOUT: 16, CONCAT: 128 } as const;
const padded = (n: number) => Math.ceil(n / 4) * 4;
let lastSet = 0;

export const newSet = (family: TableFamily, table: string, o: SetOptions): Request => ({
  type: MSG.NEWSET,
  flags: create,
  family,
  attributes: [
    [1, text(table)],
    [2, text(o.name)],
    [
      3,
      be32(
        (o.interval ? SET.INTERVAL | (o.fields.length > 1 ? SET.CONCAT : 0) : 0) |
          (o.data ? SET.MAP : 0) |
          (o.timeout ? SET.TIMEOUT : 0),
      ),
    ],
    // The types are for people's tools: 0 is none in particular.
    [4, be32(0)],
    [5, be32(o.fields.reduce((n, f) => n + padded(f), 0))],
    ...(o.data
      ? ([
          [6, be32(0)],
          [7, be32(o.data)],
        ] as const)
      : []),
    ...(o.interval && o.fields.length > 1
      ? ([[9, [[2, o.fields.map((f): Attribute => [LIST_ELEM, [[1, be32(f)]]])]]]] as const)
      : []),
    [10, be32(++lastSet)],
  ],
});

export type Element = {
  readonly key: Uint8Array;
  readonly end?: Uint8Array;
  readonly data?: Uint8Array;
  /** Milliseconds. */
  readonly timeout?: number;
};

const value = (bytes: Uint8Array | Hole): readonly Attribute[] => [[DATA.VALUE, bytes]];

const elements = (list: readonly Element[]): Attribute[] =>
  list.map(
    (e): Attribute => [
      LIST_ELEM,
      [
        [1, value(e.key)],
        ...(e.data ? ([[2, value(e.data)]] as const) : []),
        ...(e.timeout ? ([[4, be64(e.timeout)]] as const) : []),
        ...(e.end ? ([[10, value(e.end)]] as const) : []),
      ],
    ],
  );

const elementRequest =
  (type: number, flags: number) =>
  (family: TableFamily, table: string, set: string, list: readonly Element[]): Request => ({
    type,
    flags,
    family,
    attributes: [
      [1, text(table)],
      [2, text(set)],
      [3, elements(list)],
    ],
  });
export const addElements = elementRequest(MSG.NEWSETELEM, create);
export const deleteElements = elementRequest(MSG.DELSETELEM, 0);

/** Each part of a key is padded to 4 bytes. */
export const key = (...parts: readonly Uint8Array[]): Uint8Array =>
  concat(...parts.map((p) => concat(p, new Uint8Array(padded(p.length) - p.length))));

/* ---- expressions ---- */

/** The first of the 16 registers of 4 bytes. */
const R32 = 8;
export const register = (n: number) => R32 + n;

const META = { protocol: 1, iifname: 6, oifname: 7, nfproto: 15, l4proto: 16 } as const;
export const meta = (what: keyof typeof META, to = register(0)): Expression => [
  "meta",
  [
    [1, be32(to)],
    [2, be32(META[what])],
  ],
];

const BASE = { network: 1, transport: 2 } as const;
export const payload = (base: keyof typeof BASE, offset: number, length: number, to = register(0)): Expression => [
  "payload",
  [
    [1, be32(to)],
    [2, be32(BASE[base])],
    [3, be32(offset)],
    [4, be32(length)],
  ],
];

const CMP = { "==": 0, "!=": 1 } as const;
export const compare = (how: keyof typeof CMP, bytes: Uint8Array, from = register(0)): Expression => [
  "cmp",
  [
    [1, be32(from)],
    [2, be32(CMP[how])],
    [3, value(bytes)],
  ],
];

export const mask = (bits: Uint8Array, at = register(0)): Expression => [
  "bitwise",
  [
    [1, be32(at)],
    [2, be32(at)],
    [3, be32(bits.length)],
    [4, value(bits)],
    [5, value(new Uint8Array(bits.length))],
  ],
];

const CT = { state: 0, status: 2 } as const;
export const conntrack = (what: keyof typeof CT, to = register(0)): Expression => [
  "ct",
  [
    [1, be32(to)],
    [2, be32(CT[what])],
  ],
];
/** Bits of the two, in the machine's byte order. */
export const CT_STATE = { established: 2, related: 4 } as const;
export const CT_STATUS_DNAT = 32;

/** Looks a key up; a map's data goes to a register. */
export const lookup = (set: string, from = register(0), to?: number): Expression => [
  "lookup",
  [[1, text(set)], [2, be32(from)], ...(to === undefined ? [] : ([[3, be32(to)]] as const))],
];

const RTN_LOCAL = 2;
/** Whether the packet is for this machine itself. */
export const forThisMachine: readonly Expression[] = [
  [
    "fib",
    [
      [1, be32(register(0))],
      [2, be32(3)],
      [3, be32(2)],
    ],
  ],
  compare("==", u32(RTN_LOCAL)),
];

export const dnat = (family: "ipv4" | "ipv6", address: number, port: number): Expression => [
  "nat",
  [
    [1, be32(1)],
    [2, be32(NFPROTO[family])],
    [3, be32(address)],
    [5, be32(port)],
  ],
];

export const masquerade: Expression = ["masq", []];

const VERDICT = { drop: 0, accept: 1 } as const;
export const verdict = (what: keyof typeof VERDICT): Expression => [
  "immediate",
  [
    [1, be32(VERDICT_REGISTER)],
    [2, [[DATA.VERDICT, [[1, be32(VERDICT[what])]]]]],
  ],
];

/** Interface names are compared with all 16 bytes of their field. */
export const interfaceName = (name: string): Uint8Array => concat(text(name), new Uint8Array(16)).subarray(0, 16);
