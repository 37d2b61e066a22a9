import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ownWords } from "../../host/own-words.ts";
import { pause } from "../../host/pause.ts";
import { places } from "../../host/places.ts";
import type { Network } from "../networks.ts";

const DNS_PORT = "0035";

/** Whether somebody has the resolver's place: /proc/net/udp has addresses as the machine reads 4 bytes. */
function isBound(network: Network): boolean {
  const hex = [...(network.subnets[0]?.gateway.bytes ?? [])]
    .reverse()
    .map((b) => b.toString(16).padStart(2, "0"))
    .join("")
    .toUpperCase();
  return readFileSync("/proc/net/udp", "utf8").includes(` ${hex}:${DNS_PORT} `);
}

/** A FIFO, which the resolver opens for writing once it answers. */
export const readyFile = (network: string): string => join(places().leases, network, "answers");

/**
 * Starts the network's resolver unless it runs, and gives whether it does not answer yet. It is a process by itself, since containers outlive who starts them,
 * and leaves with the network's last container. Two that are started at once agree by who has the port.
 */
export function ensureResolver(network: Network): boolean {
  if (isBound(network)) return false;
  const [file = "", ...words] = ownWords();
  spawn(file, [...words, "__resolve", network.name], { detached: true, stdio: "ignore" }).unref();
  return true;
}

const STEP_MS = 5;
const PATIENCE_MS = 1000;

/** Waits until the resolver of a network that was forgotten has noticed that: it would have the place of the next one's. */
export function awaitResolverGone(network: Network): void {
  for (let waited = 0; waited < PATIENCE_MS && isBound(network); waited += STEP_MS) pause(STEP_MS);
}
