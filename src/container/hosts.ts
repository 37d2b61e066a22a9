import { isIP } from "node:net";
import type { Job } from "../compile/job.ts";
import { textInRoot } from "../host/in-root.ts";
import { formatIp } from "../network/address.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { PreparedNetwork } from "./network.ts";
import type { ContainerOptions } from "./options.ts";

type Hosts = NonNullable<ContainerOptions["hosts"]>;

export const HOSTS_FILE = "/etc/hosts";
/** What it says where nothing else does. */
export const LOCALHOST = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
/** hosts(5), as resolvers take them: what DNS has, and underscores. */
const NAME =
  /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*$/;
/** Docker's word for the host as a container on a bridge reaches it. */
const GATEWAY = "host-gateway";

export function checkHosts(hosts: Hosts, ownMounts: boolean): void {
  for (const [name, address] of Object.entries(hosts)) {
    if (!NAME.test(name)) throw new InvalidOptionError("hosts", name, "a host name");
    if (!isIP(address) && address !== GATEWAY)
      throw new InvalidOptionError(`hosts.${name}`, address, `an IP address, or ${GATEWAY}`);
    if (!ownMounts)
      throw new InvalidOptionError("hosts", name, "of use without a mount namespace of the container's own");
  }
}

function addressOf(name: string, address: string, { request }: PreparedNetwork): string {
  if (address !== GATEWAY) return address;
  const [subnet] = request?.network.subnets ?? [];
  if (!subnet)
    throw new InvalidOptionError(`hosts.${name}`, address, "of use on a bridge, which is how the host is reached");
  return formatIp(subnet.gateway);
}

/** The files of a container, of which /etc/hosts says more than that of its network, or of its root filesystem, does. */
export function withHosts(network: PreparedNetwork, hosts: Hosts, root: string): NonNullable<Job["files"]> {
  const more = Object.entries(hosts).map(([name, address]) => `${addressOf(name, address, network)}\t${name}\n`);
  if (more.length === 0) return network.files;
  const others = network.files.filter((f) => f.path !== HOSTS_FILE);
  const own = network.files.find((f) => f.path === HOSTS_FILE)?.text ?? textInRoot(root, HOSTS_FILE) ?? LOCALHOST;
  const text = `${own}${own === "" || own.endsWith("\n") ? "" : "\n"}${more.join("")}`;
  return [...others, { path: HOSTS_FILE, text }];
}
