import { existsSync, readFileSync } from "node:fs";
import { HELPER_FD } from "../compile/network.ts";
import type { NetworkPlan } from "../compile/network-plan.ts";
import {
  type Address,
  type IpvlanMode,
  ipvlanModeNames,
  type MacvlanMode,
  macvlanModeNames,
  type SubLink,
} from "../kernel/rtnetlink.ts";
import { InvalidOptionError, UnsupportedError } from "../values/errors.ts";
import { contains, formatCidr, formatIp, parseCidr, parseMac } from "./address.ts";
import { type Port, parsePort } from "./ports.ts";
import { hostResolvConf, reachable } from "./resolv-conf.ts";

type Direct = { readonly address?: string; readonly gateway?: string; readonly mac?: string; readonly mode?: string };

/** Interfaces of this network namespace, whatever sysfs is mounted: proc_pid_net(5). */
const interfaces = (): string[] =>
  readFileSync("/proc/net/dev", "utf8")
    .split("\n")
    .flatMap((line) => /^\s*([^\s:]+):/.exec(line)?.[1] ?? []);

function checkInterface(field: string, name: string): void {
  const all = interfaces();
  if (!all.includes(name)) throw new InvalidOptionError(field, name, `an interface of this machine: ${all.join(", ")}`);
}

function modeOf(kind: "macvlan" | "ipvlan", mode: string | undefined): SubLink {
  const names: readonly string[] = kind === "macvlan" ? macvlanModeNames : ipvlanModeNames;
  const chosen = mode ?? (kind === "macvlan" ? "bridge" : "l2");
  if (!names.includes(chosen)) throw new InvalidOptionError("network.mode", chosen, `one of ${names.join(", ")}`);
  return kind === "macvlan" ? { kind, mode: chosen as MacvlanMode } : { kind, mode: chosen as IpvlanMode };
}

/** An interface on top of one of the host's: the container is a neighbour on the host's own network. */
export function planDirect(kind: "macvlan" | "ipvlan", parent: string, o: Direct): NetworkPlan {
  checkInterface(`network.${kind}`, parent);
  const addresses = o.address === undefined ? [] : [parseCidr("network.address", o.address)];
  if (o.address !== undefined && !o.address.includes("/"))
    throw new InvalidOptionError("network.address", o.address, 'an address with its prefix, such as "192.0.2.7/24"');
  const gateways: Address[] = o.gateway === undefined ? [] : [parseCidr("network.gateway", o.gateway)];
  for (const g of gateways)
    if (!addresses.some((a) => contains(a, g)))
      throw new InvalidOptionError(
        "network.gateway",
        o.gateway,
        `an address of ${addresses.map(formatCidr).join(" or ") || "the container's subnet, which network.address gives"}`,
      );
  if (o.mac !== undefined && kind === "ipvlan")
    throw new InvalidOptionError("network.mac", o.mac, "of use with ipvlan, which has the address of what it is on");
  const mac = o.mac === undefined ? {} : { mac: parseMac(o.mac) };
  return {
    inside: { name: "eth0", index: 2, ...mac, addresses, gateways },
    link: { kind: "sub", parent, sub: modeOf(kind, o.mode) },
    leases: [],
    rules: [],
    tables: [],
  };
}

const PASTA = ["/usr/bin/pasta", "/usr/local/bin/pasta"];
const SLIRP = ["/usr/bin/slirp4netns", "/usr/local/bin/slirp4netns"];
/** Where slirp4netns answers for the host's name servers. */
const SLIRP_DNS = ["10.0.2.3"];
const SLIRP_MTU = 65520;

const findFile = (paths: readonly string[]) => paths.find((p) => existsSync(p));

/** Where pasta answers for the host's name servers, as podman has it: one on a loopback address is not reached otherwise. */
const PASTA_DNS = "169.254.1.1";

/** passt(1). What listens on this machine's loopback addresses is not for the container: pasta would show it at the gateway's. */
export function pastaWords(path: string, ports: readonly string[]): string[] {
  const published = ports.flatMap((p) => parsePort("network.ports", p));
  const words = (protocol: "tcp" | "udp", flag: string) => {
    const list = published.filter((p) => p.protocol === protocol);
    const at = ({ address }: Port) => (address ? `${formatIp(address)}/` : "");
    return list.length
      ? list.flatMap((p) => [flag, `${at(p)}${p.host || p.container}:${p.container}`])
      : [flag, "none"];
  };
  const ready = ["--foreground", "--pid", `/proc/self/fd/${HELPER_FD}`];
  return [
    path,
    "--quiet",
    ...ready,
    "--config-net",
    "--no-map-gw",
    "--dns-forward",
    PASTA_DNS,
    ...words("tcp", "-t"),
    ...words("udp", "-u"),
    "-T",
    "none",
    "-U",
    "none",
    "PID",
  ];
}

/** A process of the caller's own that speaks for the container: the one way to the network without privileges. */
export function planUserMode(ports: readonly string[]): { plan: NetworkPlan; dns: readonly string[] } {
  const [pasta, slirp] = [findFile(PASTA), findFile(SLIRP)];
  if (!pasta && !slirp)
    throw new UnsupportedError(
      "network.pasta",
      `neither ${PASTA[0]} nor ${SLIRP[0]} on this machine: Debian's packages passt and slirp4netns have them`,
    );
  if (!pasta && ports.length)
    throw new UnsupportedError("network.ports", `${slirp} publishes none: ${PASTA[0]} (Debian's package passt) does`);
  const ready = ["--configure", `--mtu=${SLIRP_MTU}`, "--disable-host-loopback", `--ready-fd=${HELPER_FD}`];
  const words = pasta ? pastaWords(pasta, ports) : [slirp ?? "", ...ready, "PID", "eth0"];
  const plan: NetworkPlan = {
    inside: { name: "eth0", index: 2, addresses: [], gateways: [] },
    link: { kind: "helper", words },
    leases: [],
    rules: [],
    tables: [],
  };
  const servers = reachable(hostResolvConf());
  return { plan, dns: !pasta ? SLIRP_DNS : servers.length ? servers : [PASTA_DNS] };
}
