import type { NetworkOptions } from "../network/options.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { OptionTable, Values } from "./option-table.ts";

/** Docker's names where Docker has one. */
export const networkOptions: OptionTable = {
  network: {
    type: "string",
    value: "NETWORK",
    help: "none (default), host, bridge, a network's name, container:NAME, ns:PATH, macvlan:IF, ipvlan:IF, pasta, cni:NAME",
  },
  publish: {
    type: "string",
    short: "p",
    multiple: true,
    value: "[IP:]PORT:PORT",
    help: "a port of this machine that leads to one of the container's",
  },
  ip: { type: "string", value: "ADDRESS", help: "its address (for macvlan and ipvlan with its prefix)" },
  ip6: { type: "string", value: "ADDRESS", help: "its IPv6 address" },
  gateway: { type: "string", value: "ADDRESS", help: "with macvlan and ipvlan: the way to other networks" },
  "mac-address": { type: "string", value: "MAC", help: "the address of its interface" },
  dns: { type: "string", multiple: true, value: "ADDRESS", help: "a name server" },
  "dns-search": { type: "string", multiple: true, value: "DOMAIN", help: "where it looks for short names; . for none" },
  "dns-option": { type: "string", multiple: true, value: "OPTION", help: "of its resolv.conf: ndots:2" },
  "add-host": {
    type: "string",
    multiple: true,
    value: "NAME:ADDRESS",
    help: "a name that its /etc/hosts has an address for; host-gateway is this machine, on a bridge",
  },
  allow: {
    type: "string",
    multiple: true,
    value: "TARGET",
    help: "it may reach this and nothing else: example.com:443, *.example.org, 10.0.0.0/8",
  },
  "deny-all": { type: "boolean", help: "it may reach nothing but what --allow names" },
  download: { type: "string", value: "RATE", help: "bytes a second that it receives at most: 10MB/s" },
  upload: { type: "string", value: "RATE", help: "bytes a second that it sends at most" },
};

const text = (v: Values, name: string) => v[name] as string | undefined;
const list = (v: Values, name: string) => v[name] as string[] | undefined;
const given = <T extends object>(o: T) =>
  Object.fromEntries(Object.entries(o).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>;
  };

const bridgeOnly = ["publish", "ip", "ip6", "mac-address", "allow", "deny-all", "download", "upload"] as const;

const dnsNames = ["dns", "dns-search", "dns-option"] as const;
const own = [...bridgeOnly, ...dnsNames, "gateway"] as const;
const dns = (v: Values) => ({
  dns: list(v, "dns"),
  dnsSearch: list(v, "dns-search"),
  dnsOptions: list(v, "dns-option"),
});
const notDirect = bridgeOnly.filter((name) => name !== "ip" && name !== "mac-address");

function bridge(v: Values, name: string): NetworkOptions {
  const [allow, download, upload] = [list(v, "allow"), text(v, "download"), text(v, "upload")];
  return given({
    bridge: name,
    address: text(v, "ip"),
    address6: text(v, "ip6"),
    mac: text(v, "mac-address"),
    ports: list(v, "publish"),
    egress: allow || v["deny-all"] ? { allow: allow ?? [] } : undefined,
    bandwidth: download !== undefined || upload !== undefined ? given({ download, upload }) : undefined,
    ...dns(v),
  });
}

/** Which networks have it, of options that more than a bridge have, or others. */
const others: Readonly<Record<string, string>> = {
  ...Object.fromEntries(dnsNames.map((name) => [name, "bridge, pasta, macvlan and ipvlan have it"])),
  gateway: "macvlan and ipvlan have it",
};

function refuse(v: Values, network: string, names: readonly string[]): void {
  for (const name of names)
    if (v[name] !== undefined)
      throw new InvalidOptionError(
        `--${name}`,
        String(v[name]),
        `of use with --network ${network}: ${others[name] ?? "a bridge has it"}`,
      );
}

/** Docker's words: a name, and what comes after the first colon. */
export function toHosts(v: Values): Record<string, string> | undefined {
  const entries = list(v, "add-host")?.map((s) => {
    const [name = "", address] = s.split(/:(.*)/s);
    if (address === undefined) throw new InvalidOptionError("--add-host", s, "of the form NAME:ADDRESS");
    return [name, address.replace(/^\[(.*)\]$/, "$1")];
  });
  return entries && Object.fromEntries(entries);
}

/** The words of the command line as the library's network. Published ports alone ask for a bridge. */
export function toNetwork(v: Values): NetworkOptions | undefined {
  const network = text(v, "network") ?? (bridgeOnly.some((n) => v[n] !== undefined) ? "bridge" : undefined);
  if (network === undefined || network === "none" || network === "host") {
    refuse(v, network ?? "none", own);
    return network;
  }
  const [kind = "", ...words] = network.split(":");
  const rest = words.join(":");
  if (network === "pasta") {
    refuse(v, network, [...bridgeOnly.slice(1), "gateway"]);
    return given({ pasta: true as const, ports: list(v, "publish"), ...dns(v) });
  }
  if (words.length === 0) {
    refuse(v, network, ["gateway"]);
    return bridge(v, network === "bridge" ? "caisson" : network);
  }
  const isDirect = kind === "macvlan" || kind === "ipvlan";
  refuse(v, network, isDirect ? notDirect : own);
  const [address, mac] = [text(v, "ip"), text(v, "mac-address")];
  const direct = { address, mac, gateway: text(v, "gateway"), ...dns(v) };
  switch (kind) {
    case "container":
      return { container: rest };
    case "ns":
      return { path: rest };
    case "cni":
      return { cni: rest };
    case "macvlan":
      return given({ macvlan: rest, ...direct });
    case "ipvlan":
      return given({ ipvlan: rest, ...direct });
    default:
      throw new InvalidOptionError("--network", network, networkOptions["network"]?.help ?? "");
  }
}
