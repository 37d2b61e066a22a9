import { existsSync } from "node:fs";
import type { NetworkPlan, Rules } from "../compile/network-plan.ts";
import { type Address, macOf } from "../kernel/rtnetlink.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseMac } from "./address.ts";
import { type AllowList, parseEgress } from "./egress.ts";
import { addPort, containerTable, egressRules, networkRules, networkTable, portTable } from "./firewall.ts";
import { givenAddress, leaseDirectory, leaseFile, lockFile, proposeAddress } from "./leases.ts";
import { findNetwork, type Network, shortHash } from "./networks.ts";
import type { BridgeOptions } from "./options.ts";
import { passages } from "./passage.ts";
import { portFile } from "./port-leases.ts";
import { listening, type Port, parsePort } from "./ports.ts";
import { parseRate } from "./rate.ts";
import { insideSettings, settings } from "./settings.ts";

/** What a container asks of a bridge network, checked; its addresses are found when it is started. */
export type BridgeRequest = {
  readonly network: Network;
  readonly container: string;
  readonly given: readonly Address[];
  readonly mac?: Uint8Array;
  readonly ports: readonly Port[];
  readonly egress?: AllowList;
  readonly download?: { rate: number; burst: number };
  readonly upload?: { rate: number; burst: number };
  /** The network's resolver answers its questions. */
  readonly resolver: boolean;
};

const keys = ["bridge", "address", "address6", "mac", "ports", "egress", "bandwidth", "dns", "dnsSearch", "dnsOptions"];

function checkPorts(ports: readonly Port[]): void {
  const used = { tcp: listening("tcp"), udp: listening("udp") };
  const seen = new Set<string>();
  for (const p of ports) {
    const name = `${p.host}/${p.protocol}`;
    if (p.host !== 0 && used[p.protocol].has(p.host))
      throw new InvalidOptionError("network.ports", name, "free: a program of this machine listens on it");
    if (p.host !== 0 && seen.has(`${p.address?.bytes.join() ?? ""} ${name}`))
      throw new InvalidOptionError("network.ports", name, "given once");
    seen.add(`${p.address?.bytes.join() ?? ""} ${name}`);
  }
}

/** Checks the options: nothing is written. */
export function requestBridge(o: BridgeOptions, container: string, needsResolver: boolean): BridgeRequest {
  for (const key of Object.keys(o))
    if (!keys.includes(key)) throw new InvalidOptionError("network", key, `one of ${keys.join(", ")}`);
  const network = findNetwork("network.bridge", o.bridge);
  const given = [o.address, o.address6].flatMap((text, i) =>
    text === undefined ? [] : [givenAddress(i === 0 ? "network.address" : "network.address6", network, text)],
  );
  const ports = (o.ports ?? []).flatMap((p) => parsePort("network.ports", p));
  checkPorts(ports);
  if (ports.length && network.internal)
    throw new InvalidOptionError("network.ports", ports.length, `of use: the network ${network.name} is internal`);
  const egress = o.egress && parseEgress(o.egress);
  const { download, upload } = o.bandwidth ?? {};
  return {
    network,
    container,
    given,
    ports,
    // Names are allowed as they are looked up, so whoever may reach names asks the network's resolver alone.
    // That of an internal network has nobody to ask.
    resolver:
      o.dns === undefined &&
      (network.resolver || (!network.internal && (needsResolver || (egress?.names.length ?? 0) > 0))),
    ...(o.mac !== undefined && { mac: parseMac(o.mac) }),
    ...(egress && { egress }),
    ...(download !== undefined && { download: parseRate("network.bandwidth.download", download) }),
    ...(upload !== undefined && { upload: parseRate("network.bandwidth.upload", upload) }),
  };
}

/** The addresses that it would have, if nobody is faster: one of each family that the network has. */
export const proposeAddresses = (r: BridgeRequest): Address[] =>
  r.network.subnets.map((n) => r.given.find((a) => a.family === n.subnet.family) ?? proposeAddress(r.network, n));

const hashBytes = (text: string) => Uint8Array.from(Buffer.from(shortHash(text, 10), "hex"));
/** The interface is the second of its namespace: the first is the loopback device. */
const INDEX = 2;
const INTERFACE = "eth0";

/** The plan of a container with these addresses. */
export function planBridge(r: BridgeRequest, addresses: readonly Address[]): NetworkPlan {
  const { network, container, ports, egress } = r;
  const withSix = existsSync("/proc/sys/net/ipv6");
  const subnets = network.subnets.filter((s) => withSix || s.subnet.family === "ipv4");
  const own = addresses.filter((a) => subnets.some((s) => s.subnet.family === a.family));
  const gateways = subnets.map((s) => ({ ...s.gateway, prefix: s.subnet.prefix }));
  const host = `cv${shortHash(`${network.name}/${container}`, 12)}`;
  const { bridge, name } = network;
  const rules: Rules[] = [];
  if (ports.length)
    rules.push({
      label: `publish ports of ${container}`,
      requests: [...portTable(container), ...ports.flatMap((p) => addPort(container, p, own))],
    });
  if (egress) {
    const limits = (last: "reject" | "drop") =>
      egressRules(container, host, egress.targets, r.resolver ? gateways : [], ports, last);
    rules.push({ label: `limit what ${container} may reach`, requests: limits("reject"), or: limits("drop") });
  }
  const table = containerTable(container);
  return {
    inside: {
      name: INTERFACE,
      index: INDEX,
      mac: r.mac ?? macOf(hashBytes(`inside ${name}/${container}`)),
      ...(network.mtu !== undefined && { mtu: network.mtu }),
      addresses: own,
      gateways: network.internal ? [] : gateways,
      settings: insideSettings(INTERFACE, subnets),
      ...(r.upload && { upload: r.upload }),
    },
    link: {
      kind: "veth",
      host,
      mac: macOf(hashBytes(`outside ${name}/${container}`)),
      ...(r.download && { download: r.download }),
      bridge: {
        name: bridge,
        mac: macOf(hashBytes(`bridge ${name}`)),
        addresses: gateways,
        settings: settings(bridge, subnets, network.internal),
        rules: {
          label: `set the rules of the network ${name}`,
          requests: networkRules(name, {
            bridge,
            subnets: subnets.map((s) => s.subnet),
            internal: network.internal,
            resolvers: network.resolver ? gateways : [],
          }),
        },
        table: { family: "inet", name: networkTable(name) },
        passages: passages(network, r.resolver),
        lock: lockFile(name),
        leases: leaseDirectory(name),
      },
    },
    leases: [...addresses.map((a) => leaseFile(name, a)), ...ports.filter((p) => p.host !== 0).map(portFile)],
    rules,
    // Of ports that are published later, too.
    tables: [
      { family: "inet", name: table },
      { family: "netdev", name: table },
    ],
  };
}
