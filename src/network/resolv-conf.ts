import { isIP } from "node:net";
import { readOptional } from "../cgroups/files.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { DnsOptions } from "./options.ts";

/** resolv.conf(5), as far as it matters here. */
export type ResolvConf = { readonly servers: readonly string[]; readonly rest: readonly string[] };

export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split("\n").map((l) => l.trim());
  return {
    servers: lines.flatMap((l) => /^nameserver\s+(\S+)/.exec(l)?.[1] ?? []),
    rest: lines.filter((l) => /^(search|domain|options)\s/.test(l)),
  };
}

export const hostResolvConf = (): ResolvConf => parseResolvConf(readOptional("/etc/resolv.conf") ?? "");

const isLoopback = (ip: string) => ip.startsWith("127.") || ip === "::1";

/** Servers of this machine's that a container of another network namespace reaches as well. */
export const reachable = (c: ResolvConf): readonly string[] => c.servers.filter((ip) => !isLoopback(ip));

/** A domain name, as resolvers take it, or the root. */
const DOMAIN = /^(?:\.|(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?)$/;
const OPTION = /^[a-z0-9-]+(?::\d+)?$/;

/** What no resolver would take is refused: a line break in it would be a line of its own. */
export function checkDns({ dns = [], dnsSearch = [], dnsOptions = [] }: DnsOptions): void {
  for (const server of dns)
    if (isIP(server) === 0) throw new InvalidOptionError("network.dns", server, 'an address such as "10.0.0.53"');
  for (const domain of dnsSearch)
    if (!DOMAIN.test(domain))
      throw new InvalidOptionError("network.dnsSearch", domain, 'a domain such as "example.com", or "."');
  for (const option of dnsOptions)
    if (!OPTION.test(option)) throw new InvalidOptionError("network.dnsOptions", option, 'an option such as "ndots:2"');
}

/** The text of a resolv.conf: these servers, and the rest of this machine's, but for what is given in its place. */
export function formatResolvConf(
  servers: readonly string[],
  host: ResolvConf,
  { dnsSearch, dnsOptions }: DnsOptions = {},
): string {
  const domains = dnsSearch?.filter((d) => d !== ".");
  const kept = host.rest.filter((line) => (line.startsWith("options") ? dnsOptions : dnsSearch) === undefined);
  return [
    ...servers.map((s) => `nameserver ${s}`),
    ...kept,
    ...(domains?.length ? [`search ${domains.join(" ")}`] : []),
    ...(dnsOptions?.length ? [`options ${dnsOptions.join(" ")}`] : []),
    "",
  ].join("\n");
}
