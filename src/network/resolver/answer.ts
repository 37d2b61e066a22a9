import type { Answer, Packet, Question } from "dns-packet";
import { formatIp, parseIp } from "../address.ts";
import { type AllowedName, allows } from "../egress.ts";
import type { Lease } from "../leases.ts";

export type KnownLease = { readonly ip: string; readonly lease: Lease };

/** What is to be done with a question: answered here, refused, or asked of this machine's own servers. */
export type Decision =
  | { readonly kind: "answer"; readonly answers: readonly Answer[]; readonly unknown?: boolean }
  | { readonly kind: "refuse" }
  | { readonly kind: "forward"; readonly allowed: readonly AllowedName[] };

/** Short, since containers come and go. */
const TTL = 5;

const typeOf = (ip: string) => (ip.includes(":") ? "AAAA" : "A");

/** "4.3.2.10.in-addr.arpa" as the address that is asked for. */
function reversed(name: string): string | undefined {
  const four = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1];
  if (four) return four.split(".").filter(Boolean).reverse().join(".");
  const six = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  const digits = six?.split(".").filter(Boolean).reverse().join("");
  const parsed = digits && parseIp((digits.match(/.{4}/g) ?? []).join(":"));
  return parsed ? formatIp(parsed) : undefined;
}

/** What is known of a container's name on the network: its own name, and its host name. */
const named = (leases: readonly KnownLease[], name: string) =>
  leases.filter((l) => l.lease.container.toLowerCase() === name || l.lease.hostname.toLowerCase() === name);

/**
 * The decision on a question by whoever has an address. Pure: what there is comes as an argument.
 * From an internal network nothing is to get out, and questions are data (CVE-2024-29018).
 */
export function decide(question: Question, asker: string, leases: readonly KnownLease[], internal: boolean): Decision {
  const name = question.name.toLowerCase().replace(/\.$/, "");
  const found = named(leases, name);
  if (found.length)
    return {
      kind: "answer",
      answers: found.flatMap(({ ip }): Answer[] =>
        typeOf(ip) === question.type ? [{ type: typeOf(ip), name: question.name, ttl: TTL, data: ip }] : [],
      ),
    };
  const address = reversed(name);
  const owner = leases.find((l) => l.ip === address);
  if (owner && question.type === "PTR")
    return { kind: "answer", answers: [{ type: "PTR", name: question.name, ttl: TTL, data: owner.lease.container }] };
  const own = leases.find((l) => l.ip === asker)?.lease;
  // Who may reach names only asks for those; an address that nobody has a lease of is no container of this network.
  if (!own || internal) return { kind: "refuse" };
  if (!own.limited) return { kind: "forward", allowed: [] };
  const allowed = (own.names ?? []).filter((n) => allows(n.name, name));
  return allowed.length ? { kind: "forward", allowed } : { kind: "refuse" };
}

/** The addresses of an answer, and for how long they hold. */
export const addressesOf = (packet: Packet): { ip: string; ttl: number }[] =>
  (packet.answers ?? []).flatMap((a) =>
    (a.type === "A" || a.type === "AAAA") && typeof a.data === "string" ? [{ ip: a.data, ttl: a.ttl ?? 0 }] : [],
  );
