/** What lets a network pass the machine's own firewall. Pure. */
import { join } from "node:path";
import type { Passage } from "../compile/network-plan.ts";
import { places } from "../host/places.ts";
import { text } from "../kernel/netlink.ts";
import { compare, counter, type Expression, meta, verdict } from "../kernel/nft-expressions.ts";
import { question } from "./firewall.ts";
import type { Network } from "./networks.ts";

/** As iptables writes a rule, which it then can show: a name without the rest of its field, and a counter. */
const accept = (...conditions: Expression[]): Expression[] => [...conditions, counter, verdict("accept")];
const by = (where: "iifname" | "oifname", bridge: string): Expression[] => [meta(where), compare("==", text(bridge))];

/**
 * Docker, ufw and others drop by the policy of iptables' chains what nothing in them accepts, and what one table drops no
 * other can accept. So where those chains are, what goes through the bridge, and questions to its resolver, are accepted at
 * their ends: behind all that others say, and before the policy. What a network is to keep out, its own table does.
 */
export function passages({ name, bridge, internal }: Network, resolver: boolean): Passage[] {
  const asked = (["udp", "tcp"] as const).map((protocol) => accept(...by("iifname", bridge), ...question(protocol)));
  const chains = [
    {
      ...{ chain: "FORWARD", own: bridge },
      rules: internal ? [] : [accept(...by("iifname", bridge)), accept(...by("oifname", bridge))],
    },
    { chain: "INPUT", own: `IN-${bridge}`, rules: resolver ? asked : [] },
  ];
  return (["ipv4", "ipv6"] as const).flatMap((family) =>
    chains.map(({ chain, own, rules }) => ({
      ...{ family, table: "filter", chain, own: `CAISSON-${own}`, rules },
      handle: join(places().leases, name, `${family}-${chain}`),
    })),
  );
}
