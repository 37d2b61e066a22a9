/** A port of this machine that leads to one of the container: "8080:80", "127.0.0.1:53:53/udp", "80" (any free port). */
export type PortMapping = string;

/** What a container may reach: "example.com:443", "*.example.org", "10.0.0.0/8", "192.0.2.1:53/udp". */
export type Egress = { readonly allow: readonly string[] };

/** Bytes a second, as "10MB/s" or a number, in each direction as the container sees it. */
export type Bandwidth = { readonly download?: string | number; readonly upload?: string | number };

/** What its /etc/resolv.conf says. */
export type DnsOptions = {
  /** Name servers. Default: the network's resolver where it has one, else this machine's. */
  readonly dns?: readonly string[];
  /** Domains in which short names are looked up; ["."] for none. Default: this machine's. */
  readonly dnsSearch?: readonly string[];
  /** Options of resolv.conf(5), such as "ndots:2". Default: this machine's. */
  readonly dnsOptions?: readonly string[];
};

export type BridgeOptions = DnsOptions & {
  /** A network that `caisson network create` or `createNetwork` made, or "caisson", which is always there. */
  readonly bridge: string;
  /** Addresses of its own; chosen if not given, one of each family that the network has. */
  readonly address?: string;
  readonly address6?: string;
  readonly mac?: string;
  readonly ports?: readonly PortMapping[];
  readonly egress?: Egress;
  readonly bandwidth?: Bandwidth;
};

type Direct = DnsOptions & {
  readonly address?: string;
  readonly gateway?: string;
};

/**
 * "none": a loopback device alone. "host": the host's network. "bridge": the network "caisson". An interface on top of
 * one of the host's: `{ macvlan: "eth0" }`. Without privileges: `{ pasta: true }`. By plugins: `{ cni: "name" }`.
 */
export type NetworkOptions =
  | "none"
  | "host"
  | "bridge"
  | { readonly path: string }
  | { readonly container: string }
  | BridgeOptions
  | ({
      readonly macvlan: string;
      readonly mac?: string;
      readonly mode?: "bridge" | "private" | "vepa" | "passthru";
    } & Direct)
  | ({ readonly ipvlan: string; readonly mode?: "l2" | "l3" | "l3s" } & Direct)
  | ({ readonly pasta: true; readonly ports?: readonly PortMapping[] } & DnsOptions)
  | { readonly cni: string };
