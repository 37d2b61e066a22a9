import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { ownWords } from "../../host/own-words.ts";
import type { Network } from "../networks.ts";

const DNS_PORT = "0035";

/** Whether somebody has the resolver's place: /proc/net/udp has addresses as the machine reads 4 bytes. */
function isBound(address: readonly number[]): boolean {
  const hex = [...address]
    .reverse()
    .map((b) => b.toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
  return readFileSync("/proc/net/udp", "utf8").includes(` ${hex}:${DNS_PORT} `);
}

/**
 * Starts the network's resolver unless it runs. It is a process by itself, since containers outlive who starts them,
 * and leaves with the network's last container. Two that are started at once agree by who has the port.
 */
export function ensureResolver(network: Network): void {
  const gateway = network.subnets[0]?.gateway.bytes ?? [];
  if (isBound(gateway)) return;
  const [file = "", ...words] = ownWords();
  spawn(file, [...words, "__resolve", network.name], { detached: true, stdio: "ignore" }).unref();
}
