/** What rules of nf_tables are made of: linux/netfilter/nf_tables.h. Values go through registers of 4 bytes. */
import { type Attribute, be32, concat, type Hole, text, u32 } from "./netlink.ts";

export const NFPROTO = { inet: 1, ipv4: 2, netdev: 5, ipv6: 10 } as const;
const DATA = { VALUE: 1, VERDICT: 2 } as const;
const VERDICT_REGISTER = 0;

export type Expression = readonly [name: string, data: readonly Attribute[]];

export const padded = (n: number) => Math.ceil(n / 4) * 4;
export const value = (bytes: Uint8Array | Hole): readonly Attribute[] => [[DATA.VALUE, bytes]];

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
const JUMP = -3;
export const verdict = (what: keyof typeof VERDICT): Expression => [
  "immediate",
  [
    [1, be32(VERDICT_REGISTER)],
    [2, [[DATA.VERDICT, [[1, be32(VERDICT[what])]]]]],
  ],
];

export const jump = (chain: string): Expression => [
  "immediate",
  [
    [1, be32(VERDICT_REGISTER)],
    [
      2,
      [
        [
          DATA.VERDICT,
          [
            [1, be32(JUMP)],
            [2, text(chain)],
          ],
        ],
      ],
    ],
  ],
];

export const counter: Expression = ["counter", []];

/** Interface names are compared with all 16 bytes of their field. */
export const interfaceName = (name: string): Uint8Array => concat(text(name), new Uint8Array(16)).subarray(0, 16);
