import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { namesIn, readJson } from "../host/files.ts";
import { places } from "../host/places.ts";
import type { Address } from "../kernel/rtnetlink.ts";
import { codeOf } from "../values/code-of.ts";
import { InvalidOptionError, NameError } from "../values/errors.ts";
import { contains, formatCidr, formatIp, fromNumber, parseCidr, rangeOf } from "./address.ts";
import type { AllowedName } from "./egress.ts";
import type { Network } from "./networks.ts";

/** Who has an address: a file of that name, which whoever made it holds alone. */
export type Lease = {
  readonly container: string;
  readonly hostname: string;
  /** Who made it, until the container is noted. */
  readonly pid: number;
  /** It may reach only some of what there is. */
  readonly limited?: boolean;
  /** Names that it may reach, which the resolver allows as it answers. */
  readonly names?: readonly AllowedName[];
};

export const leaseDirectory = (network: string) => join(places().leases, network, "leases");
export const lockFile = (network: string) => join(places().leases, network, "lock");
export const leaseFile = (network: string, a: Pick<Address, "family" | "bytes">) =>
  join(leaseDirectory(network), formatIp(a));

export const leasesOf = (network: string): { ip: string; lease: Lease | undefined }[] =>
  namesIn(leaseDirectory(network)).map((ip) => ({ ip, lease: readJson<Lease>(join(leaseDirectory(network), ip)) }));

/** Leases of containers that are not there, and whose makers are not there any more. */
export function sweepLeases(network: string, isKnown: (container: string) => boolean): void {
  for (const { ip, lease } of leasesOf(network))
    if (lease && !existsSync(`/proc/${lease.pid}`) && !isKnown(lease.container))
      rmSync(join(leaseDirectory(network), ip), { force: true });
}

const usable = (n: Network["subnets"][number]) => {
  const [first, last] = rangeOf(n.subnet);
  // Neither the network's own address nor, in IPv4, the one for all of it.
  return [first + 1n, n.subnet.family === "ipv4" ? last - 1n : last] as const;
};

function free(network: Network, n: Network["subnets"][number]): Address | undefined {
  const used = new Set(namesIn(leaseDirectory(network.name)));
  const [first, last] = usable(n);
  const gateway = formatIp(n.gateway);
  const size = last - first + 1n;
  for (let i = 0n; i < size && i <= BigInt(used.size) + 1n; i++) {
    const a = { ...n.subnet, bytes: fromNumber(n.subnet.family, first + i) };
    const ip = formatIp(a);
    if (ip !== gateway && !used.has(ip)) return a;
  }
  return undefined;
}

/** An address that was asked for, checked: nothing is written. */
export function givenAddress(field: string, network: Network, text: string): Address {
  const a = parseCidr(field, text);
  const n = network.subnets.find((s) => contains(s.subnet, a));
  if (!n)
    throw new InvalidOptionError(
      field,
      text,
      `an address of the network ${network.name}: ${network.subnets.map((s) => formatCidr(s.subnet)).join(" or ")}`,
    );
  if (formatIp(n.gateway) === formatIp(a)) throw new InvalidOptionError(field, text, "free: it is the gateway's");
  if (namesIn(leaseDirectory(network.name)).includes(formatIp(a)))
    throw new InvalidOptionError(field, text, "free: another container has it");
  return { ...a, prefix: n.subnet.prefix };
}

/** Which address a container of this name would be given, if nobody is faster. */
export const proposeAddress = (network: Network, n: Network["subnets"][number]): Address => {
  const found = free(network, n);
  if (!found) throw new NameError(network.name, `all addresses of ${formatCidr(n.subnet)} are taken`);
  return found;
};

/** Takes an address: false if somebody was faster. */
export function takeLease(network: string, a: Address, lease: Lease): boolean {
  for (;;) {
    mkdirSync(leaseDirectory(network), { recursive: true, mode: 0o700 });
    try {
      writeFileSync(leaseFile(network, a), JSON.stringify(lease), { flag: "wx" });
      return true;
    } catch (e) {
      const code = codeOf(e);
      if (code === "EEXIST") return false;
      // The last container of the network has just removed the directory.
      if (code !== "ENOENT") throw e;
    }
  }
}

export function giveBack(network: string, addresses: readonly Address[]): void {
  for (const a of addresses) rmSync(leaseFile(network, a), { force: true });
}
