import { InvalidOptionError } from "../values/errors.ts";
import { parseCidr } from "./address.ts";
import type { Target } from "./firewall.ts";
import type { Egress } from "./options.ts";
import type { Protocol } from "./ports.ts";

/** A name that may be reached, as the resolver learns its addresses. */
export type AllowedName = { readonly name: string; readonly port?: number; readonly protocol?: Protocol };
export type AllowList = { readonly targets: readonly Target[]; readonly names: readonly AllowedName[] };

const namePattern = /^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?$/;
const form =
  'an address, subnet or name, and a port if only that is meant: "example.com:443", "10.0.0.0/8", "[fd00::1]:53/udp"';

/** "host:port/protocol" in its parts: an IPv6 address with a port is in brackets. */
function split(text: string): { host: string; port?: number; protocol?: Protocol } {
  const bracketed = /^\[([^\]]+)\]/.exec(text);
  // "fd00::1" has colons, and no port.
  if (!bracketed && text.split(":").length > 2) return { host: text };
  const [written = "", host = ""] = bracketed ?? /^([^:[\]]+)/.exec(text) ?? [];
  const end = /^(?::(\d{1,5})(?:\/(tcp|udp))?)?$/.exec(text.slice(written.length));
  const [, port, protocol] = end ?? [];
  const number = port === undefined ? undefined : Number(port);
  if (!end || host === "" || (number !== undefined && (number < 1 || number > 65535)))
    throw new InvalidOptionError("network.egress.allow", text, form);
  return {
    host,
    ...(number !== undefined && { port: number, protocol: protocol === "udp" ? "udp" : "tcp" }),
  };
}

const looksLikeAddress = (host: string) => /^[\d.]+(\/\d+)?$/.test(host) || host.includes(":");

export function parseEgress(egress: Egress): AllowList {
  const list = egress.allow;
  if (!Array.isArray(list) || Object.keys(egress).length !== 1)
    throw new InvalidOptionError("network.egress", JSON.stringify(egress), '{ allow: ["example.com:443", …] }');
  const targets: Target[] = [];
  const names: AllowedName[] = [];
  for (const text of list) {
    const { host, ...rest } = split(String(text).toLowerCase());
    if (looksLikeAddress(host)) targets.push({ subnet: parseCidr("network.egress.allow", host), ...rest });
    else if (namePattern.test(host)) names.push({ name: host.replace(/\.$/, ""), ...rest });
    else throw new InvalidOptionError("network.egress.allow", text, form);
  }
  return { targets, names };
}

/** "*.example.com" is each name below it, and not itself. */
export const allows = (pattern: string, name: string): boolean =>
  pattern.startsWith("*.") ? name.endsWith(pattern.slice(1)) && name.length > pattern.length - 1 : pattern === name;
