/** Messages of nf_tables: linux/netfilter/nf_tables.h, nfnetlink.h. A batch of them holds as a whole, or not at all. */
import { type Attribute, be16, be32, be64, concat, type Message, message, moved, NLM_F, text, u8 } from "./netlink.ts";
import { type Expression, NFPROTO, padded, value } from "./nft-expressions.ts";

const SUBSYSTEM = 10;
const BATCH = { BEGIN: 16, END: 17 } as const;
const MSG = {
  NEWTABLE: 0,
  DELTABLE: 2,
  NEWCHAIN: 3,
  DELCHAIN: 5,
  NEWRULE: 6,
  DELRULE: 8,
  NEWSET: 9,
  NEWSETELEM: 12,
  DELSETELEM: 14,
} as const;
export type TableFamily = "inet" | "netdev" | "ipv4" | "ipv6";
const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4, ingress: 0 } as const;
const LIST_ELEM = 1;

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
  let holes: Message["holes"] = {};
  let at = 0;
  for (const p of parts) {
    holes = { ...holes, ...moved(p.holes, at) };
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

/** A chain that others jump to, and that is not there yet. */
export const newOwnChain = (family: TableFamily, table: string, name: string): Request => ({
  type: MSG.NEWCHAIN,
  flags: create | NLM_F.EXCL,
  family,
  attributes: [
    [1, text(table)],
    [3, text(name)],
  ],
});

export const deleteChain = (family: TableFamily, table: string, name: string): Request => ({
  type: MSG.DELCHAIN,
  flags: 0,
  family,
  attributes: [
    [1, text(table)],
    [3, text(name)],
  ],
});

/** All rules of a chain; or the one whose handle fills the hole of this name. */
export const deleteRules = (family: TableFamily, table: string, chain: string, hole?: string): Request => ({
  type: MSG.DELRULE,
  flags: 0,
  family,
  attributes: [[1, text(table)], [2, text(chain)], ...(hole === undefined ? [] : ([[3, { hole, size: 8 }]] as const))],
});

/**
 * The kernel repeats a new rule with its handle: after the names of the table and the chain, each padded to 4
 * (nf_tables_fill_rule_info()).
 */
export const echoed = (r: Request): Request => ({ ...r, flags: r.flags | NLM_F.ECHO });
const attributeSize = (name: string) => 4 + padded(text(name).length);
export const ECHO = {
  /** A bit that the kind of such a message has, in the second word of it, and that of an error has not. */
  kind: SUBSYSTEM << 8,
  handleAt: (table: string, chain: string) => 16 + 4 + attributeSize(table) + attributeSize(chain) + 4,
} as const;

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
