import { existsSync } from "node:fs";
import type { Job } from "../compile/job.ts";
import type { NetworkPlan } from "../compile/network-plan.ts";
import type { HostFacts } from "../host/facts.ts";
import type { Address } from "../kernel/rtnetlink.ts";
import { formatIp } from "../network/address.ts";
import { type BridgeRequest, planBridge, proposeAddresses, requestBridge } from "../network/bridge.ts";
import { type CniNetwork, findCniNetwork } from "../network/cni.ts";
import { planDirect, planUserMode } from "../network/direct.ts";
import { giveBack, sweepLeases, takeLease } from "../network/leases.ts";
import { DEFAULT_NETWORK, keepNetwork } from "../network/networks.ts";
import type { BridgeOptions, DnsOptions, NetworkOptions } from "../network/options.ts";
import { givePortsBack, takePorts } from "../network/port-leases.ts";
import { checkDns, formatResolvConf, hostResolvConf, reachable } from "../network/resolv-conf.ts";
import { ensureResolver, readyFile } from "../network/resolver/ensure.ts";
import { InvalidOptionError, NameError, UnsupportedError } from "../values/errors.ts";
import { isRootless } from "./describe.ts";
import { LOCALHOST } from "./hosts.ts";
import type { ContainerOptions } from "./options.ts";
import { podDirectory, sharedByPod } from "./pod.ts";
import { HOSTS_FILE } from "./root-hosts.ts";
import { findExact, isRunning, runningContainer } from "./state.ts";

/** What is known of a container's network before its addresses are taken. */
export type PreparedNetwork = {
  readonly plan?: NetworkPlan;
  /** Of a bridge: from which the plan is made again once addresses are taken. */
  readonly request?: BridgeRequest;
  /** Plugins that connect it before it is started. */
  readonly cni?: CniNetwork;
  readonly files: NonNullable<Job["files"]>;
  /** Of a pod: what its containers are called by. */
  readonly hostname?: string;
};

type Names = { readonly name: string; readonly hostname: string };

const modes = 'none, host, bridge, or an object such as { bridge: "caisson", ports: ["8080:80"] }';

const bridgeOf = (n: NetworkOptions | undefined): BridgeOptions | undefined =>
  n === "bridge" ? { bridge: DEFAULT_NETWORK } : typeof n === "object" && "bridge" in n ? n : undefined;

const hostsFile = ({ hostname }: Names, addresses: readonly Address[]): string =>
  `${LOCALHOST}${addresses.map((a) => `${formatIp(a)}\t${hostname}\n`).join("")}`;

type Files = NonNullable<Job["files"]>;

function filesFor(names: Names, servers: readonly string[], dns: DnsOptions, addresses: readonly Address[]): Files {
  return [
    { path: "/etc/resolv.conf", text: formatResolvConf(dns.dns ?? servers, hostResolvConf(), dns) },
    { path: HOSTS_FILE, text: hostsFile(names, addresses) },
  ];
}

function bridgeFiles(r: BridgeRequest, names: Names, dns: DnsOptions, own: readonly Address[]): Files {
  const gateways = r.network.subnets.map((s) => formatIp(s.gateway));
  return filesFor(names, r.resolver ? gateways : reachable(hostResolvConf()), dns, own);
}

/** Checks the network options, and looks up what they name. Nothing is written. */
export function prepareNetwork(o: ContainerOptions, facts: HostFacts, names: Names): PreparedNetwork {
  const { network } = o;
  const rootless = isRootless(o, facts);
  const dns = dnsOf(o);
  checkDns(dns);
  const bridge = bridgeOf(network);
  if (typeof network === "string" && !["none", "host", "bridge"].includes(network))
    throw new InvalidOptionError("network", network, modes);
  if (bridge) {
    if (rootless)
      throw new UnsupportedError("network", "a bridge needs root: without, { pasta: true } connects a container");
    const request = requestBridge(bridge, names.name, reachable(hostResolvConf()).length === 0);
    const own = proposeAddresses(request);
    return { request, plan: planBridge(request, own), files: bridgeFiles(request, names, dns, own) };
  }
  if (network === undefined && o.pod !== undefined) return sharedByPod(o.pod);
  if (typeof network === "object" && "container" in network)
    return { files: runningContainer(network.container).noted.network?.files ?? [] };
  if (typeof network !== "object" || "path" in network) return { files: [] };
  if ("macvlan" in network || "ipvlan" in network) {
    if (rootless) throw new UnsupportedError("network", "an interface on top of the host's needs root");
    const plan =
      "macvlan" in network
        ? planDirect("macvlan", network.macvlan, network)
        : planDirect("ipvlan", network.ipvlan, network);
    return { plan, files: filesFor(names, hostResolvConf().servers, dns, plan.inside.addresses) };
  }
  if ("pasta" in network) {
    const { plan, dns: own } = planUserMode(network.ports ?? []);
    return { plan, files: filesFor(names, own, dns, []) };
  }
  if ("cni" in network) {
    if (rootless) throw new UnsupportedError("network.cni", "plugins need root");
    return { cni: findCniNetwork(network.cni), files: [] };
  }
  throw new InvalidOptionError("network", JSON.stringify(network), modes);
}

export function dnsOf({ network }: ContainerOptions): DnsOptions {
  const { dns, dnsSearch, dnsOptions }: DnsOptions = typeof network === "object" ? (network as DnsOptions) : {};
  return { ...(dns && { dns }), ...(dnsSearch && { dnsSearch }), ...(dnsOptions && { dnsOptions }) };
}

const isKnown = (name: string) => findExact(name) !== undefined || existsSync(podDirectory(name));
const isInUse = (name: string, supervisor?: number) =>
  isRunning(name, supervisor) || (supervisor === undefined && existsSync(podDirectory(name)));

const TRIES = 1000;

/** Takes addresses and ports, so that no other container has them; the plan is made anew where somebody was faster. */
export function claimNetwork(p: PreparedNetwork, names: Names, dns: DnsOptions): PreparedNetwork {
  const { request } = p;
  if (!request) return p;
  const { network, container } = request;
  keepNetwork(network);
  sweepLeases(network.name, isKnown);
  const { hostname } = names;
  const allowed = request.egress?.names;
  const lease = { container, hostname, pid: process.pid, ...(allowed && { limited: true, names: allowed }) };
  for (let i = 0; i < TRIES; i++) {
    const own = proposeAddresses(request);
    const got = own.filter((a) => takeLease(network.name, a, lease));
    if (got.length === own.length) {
      const taken: BridgeRequest = { ...request, ports: takePortsOr(request, () => giveBack(network.name, got)) };
      const isStarting = request.resolver && ensureResolver(network);
      const plan = { ...planBridge(taken, own), ...(isStarting && { awaits: readyFile(network.name) }) };
      const files = bridgeFiles(taken, names, dns, own);
      return { request: taken, plan, files };
    }
    giveBack(network.name, got);
    const lost = request.given.find((a) => !got.some((g) => formatIp(g) === formatIp(a)));
    if (lost) throw new InvalidOptionError("network.address", formatIp(lost), "free: another container has it");
  }
  throw new NameError(network.name, `no address of ${network.name} could be taken`);
}

function takePortsOr(r: BridgeRequest, undo: () => void): BridgeRequest["ports"] {
  try {
    return takePorts({ container: r.container }, r.ports, isInUse);
  } catch (e) {
    undo();
    throw e;
  }
}

/** What was claimed for a start that never came to its program. */
export function unclaimNetwork(p: PreparedNetwork): void {
  const { request, plan } = p;
  if (!request || !plan) return;
  giveBack(request.network.name, plan.inside.addresses);
  givePortsBack(request.ports);
}
