import { NameError } from "../values/errors.ts";
import { leasesOf } from "./leases.ts";
import { findNetwork, removeNetworkFile } from "./networks.ts";
import { awaitResolverGone } from "./resolver/ensure.ts";

/** Forgets a network; one that somebody is on is refused. */
export function removeNetwork(name: string): void {
  const network = findNetwork("network", name);
  const users = new Set(leasesOf(network.name).map((l) => l.lease?.container ?? l.ip));
  if (users.size) throw new NameError(name, `the network ${name} is in use by ${[...users].join(", ")}`);
  removeNetworkFile(network.name);
  awaitResolverGone(network);
}
