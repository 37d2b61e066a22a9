import { networkInterfaces } from "node:os";
import type { MovedDevice } from "../compile/job.ts";
import type { Spec } from "../compile/spec.ts";
import type { Address } from "../kernel/rtnetlink.ts";
import { ConfigError } from "./config.ts";
import { readOr } from "./files.ts";

const LONGEST = 15;
const isName = (name: string) => new RegExp(`^[^\\s/:]{1,${LONGEST}}$`).test(name) && name !== "." && name !== "..";

/** The bytes of "::1" and the like: groups of two, with "::" for as many zeros as are missing. */
function ipv6(text: string): number[] {
  const [head = "", tail] = text.split("::");
  const groups = (part: string) =>
    part
      .split(":")
      .filter(Boolean)
      .map((g) => Number.parseInt(g, 16));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return all.flatMap((g) => [g >> 8, g & 0xff]);
}

/** Addresses of an interface that runs, but for those of its link alone, which the kernel makes anew. */
function addressesOf(name: string): Address[] {
  return (networkInterfaces()[name] ?? []).flatMap((a): Address[] => {
    const prefix = Number(a.cidr?.split("/")[1]);
    if (a.family === "IPv4") return [{ family: "ipv4", prefix, bytes: a.address.split(".").map(Number) }];
    return a.address.startsWith("fe80") ? [] : [{ family: "ipv6", prefix, bytes: ipv6(a.address) }];
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
