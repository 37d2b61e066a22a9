import type { Expression } from "../kernel/nft-expressions.ts";
import type { Request, TableFamily } from "../kernel/nftables.ts";
import type { Address, SubLink } from "../kernel/rtnetlink.ts";

/** Bytes a second, and how many may go at once. */
export type Rate = { readonly rate: number; readonly burst: number };
export type Setting = { readonly path: string; readonly text: string };
export type Table = { readonly family: TableFamily; readonly name: string };
export type Rules = {
  readonly label: string;
  readonly requests: readonly Request[];
  /** What is done instead where the kernel lacks a kind of expression: nf_tables says ENOENT then. */
  readonly or?: readonly Request[];
};

/** A chain of ours that one of somebody else's leads to at its end, and where the handle of the rule that does so is noted. */
export type PassageEnd = {
  readonly family: "ipv4" | "ipv6";
  readonly table: string;
  readonly chain: string;
  readonly own: string;
  readonly handle: string;
};
/** Without rules nothing is made; another container of the network may have made it. */
export type Passage = PassageEnd & { readonly rules: readonly (readonly Expression[])[] };

/** How a container is connected, as src/network decided it. */
export type NetworkPlan = {
  /** The interface in the container; its number is known before it is made. */
  readonly inside: {
    readonly name: string;
    readonly index: number;
    readonly mac?: Uint8Array;
    readonly mtu?: number;
    readonly addresses: readonly Address[];
    readonly gateways: readonly Address[];
    readonly upload?: Rate;
    /** Files of the kernel, as they are in the container's network namespace, and what to write to them before the interface is up. */
    readonly settings?: readonly Setting[];
  };
  readonly link:
    | {
        readonly kind: "veth";
        readonly host: string;
        readonly mac: Uint8Array;
        readonly download?: Rate;
        readonly bridge: Bridge;
      }
    | { readonly kind: "sub"; readonly parent: string; readonly sub: SubLink }
    /** A program that is connected to the host's network as any other is, and makes the interface itself. */
    | { readonly kind: "helper"; readonly words: readonly string[] };
  /** A FIFO that somebody opens for writing once names can be asked for. */
  readonly awaits?: string;
  /** Files that hold the container's addresses: they are there already, and are removed at the end. */
  readonly leases: readonly string[];
  /** What is made in nf_tables once the link is there, and the tables that are removed at the end. */
  readonly rules: readonly Rules[];
  readonly tables: readonly Table[];
};

export type Bridge = {
  readonly name: string;
  readonly mac: Uint8Array;
  readonly addresses: readonly Address[];
  /** Files of the kernel and what to write to them. One that is not there is passed over. */
  readonly settings: readonly Setting[];
  readonly rules: Rules;
  readonly table: Table;
  readonly passages: readonly Passage[];
  /** Held while the bridge is made or removed. */
  readonly lock: string;
  /** The directory of the leases: once it can be removed, nobody uses the bridge any more. */
  readonly leases: string;
};

/** All that is needed to undo a connection: small enough to be noted with a container. */
export type Connection = {
  /** The host's end of a pair of interfaces. */
  readonly link?: string;
  readonly leases: readonly string[];
  readonly tables: readonly Table[];
  readonly bridge?: Pick<Bridge, "name" | "table" | "lock" | "leases"> & {
    /** Those that an earlier version noted have none. */
    readonly passages?: readonly PassageEnd[];
  };
};

export function connectionOf({ link, leases, tables }: NetworkPlan): Connection {
  if (link.kind !== "veth") return { leases, tables };
  const { name, table, lock, leases: directory } = link.bridge;
  const passages = link.bridge.passages.map(({ rules: _, ...end }) => end);
  return { link: link.host, leases, tables, bridge: { name, table, lock, leases: directory, passages } };
}
