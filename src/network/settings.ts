import { readOptional } from "../cgroups/files.ts";
import type { Setting } from "../compile/network-plan.ts";
import { namesIn } from "../host/files.ts";
import type { Network } from "./networks.ts";

const SIX = "/proc/sys/net/ipv6/conf";

/**
 * Who forwards takes no more routes from the routers of its own networks, and this machine would lose its way out; unless it
 * is told to take them all the same. accept_ra in the kernel's networking/ip-sysctl.rst
 */
function keptRoutes(): Setting[] {
  if (readOptional(`${SIX}/all/forwarding`)?.trim() !== "0") return [];
  const accepts = (name: string) => readOptional(`${SIX}/${name}/accept_ra`)?.trim() === "1";
  const own = namesIn(SIX).filter((name) => !["all", "default", "lo"].includes(name));
  return own.filter(accepts).map((name) => ({ path: `${SIX}/${name}/accept_ra`, text: "2" }));
}

const hasSix = (subnets: Network["subnets"]) => subnets.some((s) => s.subnet.family === "ipv6");
/** Without a subnet of IPv6 nobody is to be reached by its link-local addresses either, which rules are not made for (CVE-2024-32473). */
const noSix = (name: string): Setting => ({ path: `${SIX}/${name}/disable_ipv6`, text: "1" });
const noRouters = (name: string): Setting => ({ path: `${SIX}/${name}/accept_ra`, text: "0" });

/** What the kernel is told in a container: all that is to be reached is known, so no neighbour may call itself a router. */
export const insideSettings = (name: string, subnets: Network["subnets"]): Setting[] => [
  hasSix(subnets) ? noRouters(name) : noSix(name),
];

/** What the kernel is told for a bridge. */
export function settings(bridge: string, subnets: Network["subnets"], internal: boolean): Setting[] {
  const on = (path: string) => ({ path: `/proc/sys/net/${path}`, text: "1" });
  return [
    // No container is a router of this machine's (CVE-2020-13401).
    noRouters(bridge),
    ...(hasSix(subnets) ? [] : [noSix(bridge)]),
    // So that this machine's own programs reach published ports at 127.0.0.1; what comes from outside is dropped.
    on(`ipv4/conf/${bridge}/route_localnet`),
    ...(internal ? [] : [on("ipv4/ip_forward")]),
    ...(!internal && hasSix(subnets) ? [...keptRoutes(), on("ipv6/conf/all/forwarding")] : []),
  ];
}
