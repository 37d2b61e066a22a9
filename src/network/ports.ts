import { readFileSync } from "node:fs";
import type { Address } from "../kernel/rtnetlink.ts";
import { isCode } from "../values/code-of.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { formatIp, parseCidr } from "./address.ts";

export type Protocol = "tcp" | "udp";
export const protocolNumbers: Readonly<Record<Protocol, number>> = { tcp: 6, udp: 17 };

/** A port of the host's that leads to one of the container's. */
export type Port = {
  readonly protocol: Protocol;
  /** The host's address; none for all of them. */
  readonly address?: Address;
  readonly host: number;
  readonly container: number;
};

const MAX_PORT = 65535;
const form = 'a port such as "8080:80", "127.0.0.1:8080:80/tcp", "8000-8009:80-89" or "80"';

function range(field: string, whole: string, text: string): [number, number] {
  const [, from = "", to = from] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text) ?? [];
  const [a, b] = [Number(from), Number(to)];
  if (from === "" || a < 1 || b > MAX_PORT || b < a) throw new InvalidOptionError(field, whole, form);
  return [a, b];
}

export function parsePort(field: string, text: string): Port[] {
  const [, body = "", protocol = "tcp"] = /^(.*?)(?:\/(\w+))?$/s.exec(text) ?? [];
  if (protocol !== "tcp" && protocol !== "udp") throw new InvalidOptionError(field, text, form);
  const [, bracketed, rest = body] = /^\[([^\]]+)\]:(.*)$/.exec(body) ?? [];
  const words = rest.split(":");
  const ip = bracketed ?? (words.length === 3 ? words.shift() : undefined);
  const [host, container = host] = words;
  if (host === undefined || words.length > 2) throw new InvalidOptionError(field, text, form);
  const inside = range(field, text, container ?? "");
  // "80" alone is a port of the container's, at any free one here.
  const free = words.length === 1;
  const outside = free ? inside : range(field, text, host);
  if (outside[1] - outside[0] !== inside[1] - inside[0])
    throw new InvalidOptionError(field, text, "two ranges of the same length");
  const address = ip === undefined || ip === "0.0.0.0" || ip === "::" ? undefined : parseCidr(field, ip);
  return Array.from({ length: outside[1] - outside[0] + 1 }, (_, i) => ({
    protocol,
    host: free ? 0 : outside[0] + i,
    container: inside[0] + i,
    ...(address && { address }),
  }));
}

export const formatPort = (p: Port): string => {
  const ip = p.address && (p.address.family === "ipv6" ? `[${formatIp(p.address)}]` : formatIp(p.address));
  return `${ip === undefined ? "" : `${ip}:`}${p.host}:${p.container}/${p.protocol}`;
};

const TCP_LISTEN = "0A";
const UDP_CLOSE = "07";

/** Ports on which some program of this machine listens already: /proc/net/tcp and the like (proc_pid_net(5)). */
export function listening(protocol: Protocol): ReadonlySet<number> {
  const lines = (["", "6"] as const).flatMap((v) => {
    try {
      return readFileSync(`/proc/net/${protocol}${v}`, "utf8").split("\n").slice(1);
    } catch (e) {
      if (isCode(e, "ENOENT")) return [];
      throw e;
    }
  });
  const state = protocol === "tcp" ? TCP_LISTEN : UDP_CLOSE;
  return new Set(
    lines.flatMap((line) => {
      const [, local, , is] = line.trim().split(/\s+/);
      return is === state && local ? [Number.parseInt(local.slice(local.indexOf(":") + 1), 16)] : [];
    }),
  );
}
