import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { namesIn } from "../host/files.ts";
import { places } from "../host/places.ts";
import type { Address } from "../kernel/rtnetlink.ts";
import { isCode } from "../values/code-of.ts";
import { InvalidOptionError, NameError } from "../values/errors.ts";
import { checkShape, fields, flag, text, whole } from "../values/shape.ts";
import { contains, formatCidr, fromNumber, overlaps, parseCidr, rangeOf } from "./address.ts";

/** A network that containers share: a bridge, and one subnet of each family. */
export type Network = {
  readonly name: string;
  readonly bridge: string;
  readonly subnets: readonly { readonly subnet: Address; readonly gateway: Address }[];
  /** Its containers reach each other, and nothing else. */
  readonly internal: boolean;
  /** A resolver answers for the names of its containers. */
  readonly resolver: boolean;
  readonly mtu?: number;
};

/** What `createNetwork` is told. Subnets that are not given are chosen so that they overlap no other. */
export type NetworkDefinition = {
  readonly subnet?: string;
  readonly subnet6?: string;
  readonly gateway?: string;
  /** Default true. */
  readonly ipv6?: boolean;
  readonly internal?: boolean;
  /** Default true. */
  readonly resolver?: boolean;
  readonly mtu?: number;
};

/** The network that is always there. As the default networks of other engines it has no resolver. */
export const DEFAULT_NETWORK = "caisson";
const pattern = /^[a-z0-9][a-z0-9_.-]{0,62}$/;
const isName = (name: unknown): name is string => typeof name === "string" && pattern.test(name);
const MAX_INTERFACE_NAME = 15;
const MINIMUM_MTU = 1280;

export const shortHash = (text: string, length: number) =>
  createHash("sha256").update(text).digest("hex").slice(0, length);

const bridgeName = (name: string) => {
  if (name === DEFAULT_NETWORK) return "caisson0";
  const plain = `cb-${name}`;
  return plain.length <= MAX_INTERFACE_NAME ? plain : `cb-${shortHash(name, 12)}`;
};

const file = (name: string) => join(places().networks, `${name}.json`);

const read = (name: string): Network | undefined => {
  try {
    return JSON.parse(readFileSync(file(name), "utf8")) as Network;
  } catch (e) {
    if (isCode(e, "ENOENT")) return undefined;
    throw e;
  }
};

export const storedNetworks = (): Network[] =>
  namesIn(places().networks)
    .filter((f) => f.endsWith(".json"))
    .flatMap((f) => read(f.slice(0, -".json".length)) ?? []);

const interfaceSubnets = (except: string): Address[] =>
  Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    name === except ? [] : (list ?? []).flatMap((a) => (a.cidr ? [parseCidr("interface", a.cidr)] : [])),
  );

/** Subnets that this machine's interfaces and other networks have. */
function taken(except: string): Address[] {
  const own = interfaceSubnets(bridgeName(except));
  const networks = storedNetworks().filter((n) => n.name !== except);
  return [...own, ...networks.flatMap((n) => n.subnets.map((s) => s.subnet))];
}

const CHOICES = 256;
/** Of the private ranges, parts that other engines do not begin with. */
function choose(family: "ipv4" | "ipv6", used: readonly Address[]): Address {
  for (let i = 0; i < CHOICES; i++) {
    const subnet =
      family === "ipv4"
        ? parseCidr("subnet", `10.157.${i}.0/24`)
        : parseCidr("subnet", `fd00:ca15:50:${i.toString(16)}::/64`);
    if (!used.some((u) => overlaps(u, subnet))) return subnet;
  }
  throw new NameError("network", `all ${CHOICES} subnets that are chosen from are taken: give one`);
}

function subnetOf(field: string, family: "ipv4" | "ipv6", text: string | undefined, used: readonly Address[]): Address {
  if (text === undefined) return choose(family, used);
  const subnet = parseCidr(field, text);
  if (subnet.family !== family)
    throw new InvalidOptionError(field, text, `an ${family === "ipv4" ? "IPv4" : "IPv6"} subnet`);
  const [first] = rangeOf(subnet);
  const limit = family === "ipv4" ? 30 : 126;
  if (subnet.prefix > limit)
    throw new InvalidOptionError(field, text, `a subnet with room for containers: /${limit} at most`);
  const clash = used.find((u) => overlaps(u, subnet));
  if (clash) throw new InvalidOptionError(field, text, `free: ${formatCidr(clash)} is in use on this machine`);
  return { ...subnet, bytes: fromNumber(family, first) };
}

const firstOf = (subnet: Address): Address => ({
  ...subnet,
  bytes: fromNumber(subnet.family, rangeOf(subnet)[0] + 1n),
});

function define(name: string, d: NetworkDefinition): Network {
  const used = taken(name);
  const subnet = subnetOf("subnet", "ipv4", d.subnet, used);
  const six = d.ipv6 === false ? [] : [subnetOf("subnet6", "ipv6", d.subnet6, used)];
  const gateway =
    d.gateway === undefined ? firstOf(subnet) : { ...parseCidr("gateway", d.gateway), prefix: subnet.prefix };
  if (!contains(subnet, gateway))
    throw new InvalidOptionError("gateway", d.gateway, `an address of ${formatCidr(subnet)}`);
  return {
    name,
    bridge: bridgeName(name),
    subnets: [{ subnet, gateway }, ...six.map((s) => ({ subnet: s, gateway: firstOf(s) }))],
    internal: d.internal === true,
    resolver: d.resolver ?? true,
    ...(d.mtu !== undefined && { mtu: d.mtu }),
  };
}

const definitionShape = fields({
  ...{ subnet: text, subnet6: text, gateway: text, mtu: whole(MINIMUM_MTU, 65535) },
  ...{ ipv6: flag, internal: flag, resolver: flag },
});

/** Writes a network down; its bridge is made with its first container, and goes with its last. */
export function createNetwork(name: string, d: NetworkDefinition = {}): Network {
  if (!isName(name))
    throw new InvalidOptionError("network", name, 'a name of small letters, digits, "_", "." and "-", 63 at most');
  checkShape("network", d, definitionShape);
  const network = define(name, d);
  mkdirSync(places().networks, { recursive: true, mode: 0o700 });
  try {
    writeFileSync(file(name), JSON.stringify(network), { flag: "wx" });
  } catch (e) {
    if (isCode(e, "EEXIST")) throw new NameError(name, `there is a network ${name} already`);
    throw e;
  }
  return network;
}

const isTaken = (subnet: Address, bridge: string) => interfaceSubnets(bridge).some((own) => overlaps(own, subnet));

/** A network by its name. The default one is written down when it is first used. */
export function findNetwork(field: string, name: string): Network {
  const stored = isName(name) ? read(name) : undefined;
  // In a container that shows the host's files, what is written down there is of another network namespace.
  const elsewhere = stored && name === DEFAULT_NETWORK && stored.subnets.some((s) => isTaken(s.subnet, stored.bridge));
  const fresh = () => (name === DEFAULT_NETWORK ? define(name, { resolver: false }) : undefined);
  const found = elsewhere ? fresh() : (stored ?? fresh());
  if (!found) throw new InvalidOptionError(field, name, 'a network: "caisson network list" says which there are');
  return found;
}

/** Whether it is written down as it is here: it may have been forgotten since, and another one of its name made. */
export const isAsNoted = (n: Network): boolean => JSON.stringify(read(n.name)) === JSON.stringify(n);

/** Notes the default network's subnets, so that they stay what they are. */
export function keepNetwork(n: Network): void {
  if (isAsNoted(n)) return;
  mkdirSync(places().networks, { recursive: true, mode: 0o700 });
  writeFileSync(`${file(n.name)}.new`, JSON.stringify(n));
  renameSync(`${file(n.name)}.new`, file(n.name));
}

export function removeNetworkFile(name: string): void {
  rmSync(file(name), { force: true });
}
