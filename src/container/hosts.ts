import { isIP } from "node:net";
import { formatIp } from "../network/address.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { PreparedNetwork } from "./network.ts";
import type { ContainerOptions } from "./options.ts";
import { HOSTS_FILE, type RootHosts } from "./root-hosts.ts";

type Hosts = NonNullable<ContainerOptions["hosts"]>;

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

/** A list for advertisements is long, and would be copied for each start. */
const MOST_OWN = 64 * 1024;

/** Whether a text of hosts(5) has an address for a name. */
const knows = (text: string, name: string): boolean =>
  text.includes(name) &&
  text.split("\n").some((line) => (line.split("#", 1)[0] as string).trim().split(/\s+/).includes(name, 1));

type Shown = {
  readonly hosts?: Hosts | undefined;
  /** Its own name, where that is not another's. */
  readonly hostname?: string | undefined;
  readonly root: RootHosts;
  /** What is missing in the root may be made. */
  readonly isView: boolean;
};

/**
 * The files of a container, of which /etc/hosts says more than that of its network, or of its root filesystem, does. Its own name is
 * among that, as without a network no other has an address for it (gethostname(3) and getaddrinfo(3) in one are what Java begins with).
 */
export function withHosts(
  network: PreparedNetwork,
  { hosts = {}, hostname, root, isView }: Shown,
): PreparedNetwork["files"] {
  const others = network.files.filter((f) => f.path !== HOSTS_FILE);
  const found = network.files.find((f) => f.path === HOSTS_FILE)?.text ?? root.text;
  const more = Object.entries(hosts).map(([name, address]) => `${addressOf(name, address, network)}\t${name}\n`);
  const text = found ?? LOCALHOST;
  const isMissing = hostname !== undefined && text.length <= MOST_OWN && !knows(text + more.join(""), hostname);
  if (isMissing && (more.length || found !== undefined || isView)) more.push(`127.0.0.1\t${hostname}\n`);
  if (more.length === 0) return network.files;
  return [
    ...others,
    { path: HOSTS_FILE, text: `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${more.join("")}` },
  ];
}
