import { publishedPorts, publishPorts, unpublishPorts } from "../container/ports.ts";
import { formatCidr, formatIp } from "../network/address.ts";
import { leasesOf } from "../network/leases.ts";
import { createNetwork, DEFAULT_NETWORK, findNetwork, type Network, storedNetworks } from "../network/networks.ts";
import { removeNetwork } from "../network/remove.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { Values } from "./option-table.ts";
import { print, table } from "./output.ts";

const text = (v: Values, name: string) => v[name] as string | undefined;

const facts = (n: Network) => ({
  name: n.name,
  bridge: n.bridge,
  subnets: n.subnets.map((s) => ({ subnet: formatCidr(s.subnet), gateway: formatIp(s.gateway) })),
  internal: n.internal,
  resolver: n.resolver,
  ...(n.mtu !== undefined && { mtu: n.mtu }),
  addresses: Object.fromEntries(leasesOf(n.name).map(({ ip, lease }) => [ip, lease?.container])),
});

export function create(v: Values, name: string): number {
  const mtu = text(v, "mtu");
  const given = { subnet: text(v, "subnet"), subnet6: text(v, "subnet6"), gateway: text(v, "gateway") };
  const network = createNetwork(name, {
    ...(Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as { subnet?: string }),
    ...(mtu !== undefined && { mtu: Number(mtu) }),
    internal: v["internal"] === true,
    ipv6: v["no-ipv6"] !== true,
    resolver: v["no-resolver"] !== true,
  });
  print(network.name);
  return 0;
}

export function list(v: Values): number {
  const stored = storedNetworks();
  const all = (
    stored.some((n) => n.name === DEFAULT_NETWORK) ? stored : [findNetwork("network", DEFAULT_NETWORK), ...stored]
  ).map(facts);
  if (v["json"]) print(JSON.stringify(all));
  else
    print(
      table(
        ["NAME", "BRIDGE", "SUBNETS", "CONTAINERS"],
        all.map((n) => [
          n.name,
          n.bridge,
          n.subnets.map((s) => s.subnet).join(", "),
          [...new Set(Object.values(n.addresses))].join(", ") || "-",
        ]),
      ),
    );
  return 0;
}

export function inspect(names: readonly string[]): number {
  print(
    JSON.stringify(
      names.map((n) => facts(findNetwork("NETWORK", n))),
      null,
      2,
    ),
  );
  return 0;
}

export function remove(names: readonly string[]): number {
  for (const name of names) removeNetwork(name);
  return 0;
}

export async function port(action: "add" | "remove" | "list", [name, ...ports]: readonly string[]): Promise<number> {
  if (name === undefined) throw new InvalidOptionError("NAME", "", 'given; "caisson ps" lists the containers that run');
  if (action === "list") for (const p of publishedPorts(name)) print(p);
  else if (ports.length === 0) throw new InvalidOptionError("PORT", "", "given, such as 8080:80");
  else if (action === "add") for (const p of await publishPorts(name, ports)) print(p);
  else await unpublishPorts(name, ports);
  return 0;
}
