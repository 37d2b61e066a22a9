import { readOptional } from "../cgroups/files.ts";

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

export const formatResolvConf = (servers: readonly string[], rest: readonly string[]): string =>
  [...servers.map((s) => `nameserver ${s}`), ...rest, ""].join("\n");
