import { networkInterfaces } from "node:os";
import type { MovedDevice } from "../compile/job.ts";
import type { Spec } from "../compile/spec.ts";
import { readOr } from "../host/files.ts";
import type { Address } from "../kernel/rtnetlink.ts";
import { parseCidr } from "../network/address.ts";
import { ConfigError } from "./config.ts";

const LONGEST = 15;
const isName = (name: string) => new RegExp(`^[^\\s/:]{1,${LONGEST}}$`).test(name) && name !== "." && name !== "..";

/** Addresses of an interface that runs, but for those of its link alone, which the kernel makes anew. */
function addressesOf(name: string): Address[] {
  return (networkInterfaces()[name] ?? []).flatMap((a): Address[] => {
    const address = a.cidr && !a.address.startsWith("fe80") ? parseCidr(name, a.cidr) : undefined;
    return address ? [address] : [];
  });
}

export function findDevices(spec: Spec): MovedDevice[] {
  return Object.entries(spec.linux?.netDevices ?? {}).map(([from, { name = from }]) => {
    for (const given of [from, name])
      if (!isName(given))
        throw new ConfigError(`linux.netDevices: ${JSON.stringify(given)} is not the name of an interface`);
    const index = Number(readOr(`/sys/class/net/${from}/ifindex`) ?? Number.NaN);
    if (!(index > 0)) throw new ConfigError(`linux.netDevices.${from}: there is no such interface`);
    return { from, name, index, addresses: addressesOf(from) };
  });
}
