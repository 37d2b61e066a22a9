import { createSocket } from "node:dgram";
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import packets from "dns-packet";
import { layout } from "../../cgroups/look.ts";
import { outliveCaller } from "../../cgroups/systemd.ts";
import { isCode } from "../../values/code-of.ts";
import { formatIp } from "../address.ts";
import { leaseDirectory, leasesOf } from "../leases.ts";
import { findNetwork, isAsNoted, type Network } from "../networks.ts";
import { allowAnswer } from "./allow.ts";
import { addressesOf, decide, type KnownLease } from "./answer.ts";
import { readyFile } from "./ensure.ts";
import { forward, framed } from "./forward.ts";

const DNS_PORT = 53;
const RCODE = { servfail: 2, refused: 5 } as const;
const ANSWER = { response: 0x8000, authoritative: 0x400, recursion: 0x80 } as const;

const known = (network: string): KnownLease[] =>
  leasesOf(network).flatMap(({ ip, lease }) => (lease ? [{ ip, lease }] : []));

/** An IPv4 address as an IPv6 socket has it. */
const plain = (address: string) => address.replace(/^::ffff:/, "");

async function answer(
  { name, internal }: Network,
  query: Buffer,
  from: string,
  protocol: "udp" | "tcp",
): Promise<Buffer> {
  const asked = packets.decode(query);
  const [question] = asked.questions ?? [];
  const reply = (flags: number, answers: Parameters<typeof packets.encode>[0]["answers"] = []) =>
    packets.encode({
      type: "response",
      id: asked.id ?? 0,
      flags: ANSWER.recursion | ((asked.flags ?? 0) & packets.RECURSION_DESIRED) | flags,
      questions: asked.questions ?? [],
      answers,
    });
  if (!question) return reply(RCODE.refused);
  const leases = known(name);
  const decision = decide(question, from, leases, internal);
  if (decision.kind === "refuse") return reply(RCODE.refused);
  if (decision.kind === "answer") return reply(ANSWER.authoritative, [...decision.answers]);
  try {
    const answered = await forward(query, protocol);
    const container = leases.find((l) => l.ip === from)?.lease.container;
    if (decision.allowed.length && container !== undefined)
      await allowAnswer(container, decision.allowed, addressesOf(packets.decode(answered)));
    return answered;
  } catch {
    // The asker is told; there is nobody else to tell.
    return reply(RCODE.servfail);
  }
}

/** Of a container that asks more at once the rest is not heard, as by a resolver that is busy: it asks again, and its neighbours are answered meanwhile. */
const AT_ONCE = 100;
const waiting = new Map<string, number>();

async function unlessBusy(asker: string, ask: () => Promise<void>): Promise<void> {
  const before = waiting.get(asker) ?? 0;
  if (before >= AT_ONCE) return;
  waiting.set(asker, before + 1);
  try {
    await ask();
  } finally {
    const left = (waiting.get(asker) ?? 1) - 1;
    if (left) waiting.set(asker, left);
    else waiting.delete(asker);
  }
}

/** Resolves to false if somebody else has the place. */
function serveUdp(network: Network, address: string): Promise<boolean> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  return new Promise((resolve, reject) => {
    socket.on("error", (e: NodeJS.ErrnoException) => (e.code === "EADDRINUSE" ? resolve(false) : reject(e)));
    socket.on("message", (query, from) => {
      const asker = plain(from.address);
      unlessBusy(asker, async () => {
        socket.send(await answer(network, query, asker, "udp"), from.port, from.address);
        // What cannot be decoded is not answered.
      }).catch(() => {});
    });
    socket.bind(DNS_PORT, address, () => resolve(true));
  });
}

/** Answers what comes over a connection, one after the other. */
async function converse(network: Network, socket: Socket, asker: string): Promise<void> {
  let got = Buffer.alloc(0);
  for await (const chunk of socket) {
    got = Buffer.concat([got, chunk as Buffer]);
    while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
      const query = got.subarray(2, 2 + got.readUInt16BE(0));
      got = got.subarray(2 + query.length);
      socket.write(framed(await answer(network, Buffer.from(query), asker, "tcp")));
    }
  }
}

const IDLE_MS = 10_000;

function serveTcp(network: Network, address: string): Promise<void> {
  const server = createServer((socket) => {
    const asker = plain(socket.remoteAddress ?? "");
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    unlessBusy(asker, () => converse(network, socket, asker))
      .catch(() => {})
      .finally(() => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(DNS_PORT, address, () => resolve());
  });
}

const POLL_MS = 100;
const BEGIN_POLL_MS = 5;
const BEGIN_MS = 10_000;
const CALM_MS = 2000;

/** The bridge is made by the container that needs us, after we were started. */
async function whenThere<T>(listen: () => Promise<T>): Promise<T> {
  const began = Date.now();
  for (;;) {
    try {
      return await listen();
    } catch (e) {
      if (!isCode(e, "EADDRNOTAVAIL") || Date.now() - began > BEGIN_MS) throw e;
      await sleep(BEGIN_POLL_MS);
    }
  }
}

/** Tells the container that waits for it, which is about to if it does not yet. */
async function announce(network: string): Promise<void> {
  for (const began = Date.now(); Date.now() - began < BEGIN_MS; await sleep(BEGIN_POLL_MS))
    try {
      return closeSync(openSync(readyFile(network), constants.O_WRONLY | constants.O_NONBLOCK));
    } catch (e) {
      if (!isCode(e, "ENXIO", "ENOENT")) throw e;
    }
}

/** Without a descriptor to look with (EMFILE, while containers ask for many names) it is taken for what it was. */
function isForgotten(network: Network): boolean {
  try {
    return !isAsNoted(network);
  } catch {
    return false;
  }
}

async function untilNobodyAsks(network: Network): Promise<void> {
  for (let missing = 0; missing < CALM_MS && !isForgotten(network); ) {
    await sleep(POLL_MS);
    missing = existsSync(leaseDirectory(network.name)) ? 0 : missing + POLL_MS;
  }
}

/** Answers the containers of a network until there are none, or the network is forgotten: the next one may have its addresses. */
export async function resolveNetwork(name: string): Promise<number> {
  const network = findNetwork("network", name);
  for (const { gateway } of network.subnets) {
    if (gateway.family === "ipv6" && !existsSync("/proc/sys/net/ipv6")) continue;
    const address = formatIp(gateway);
    if (!(await whenThere(() => serveUdp(network, address)))) {
      await announce(name);
      return 0;
    }
    await whenThere(() => serveTcp(network, address));
  }
  await Promise.all([announce(name), outliveCaller(layout()), untilNobodyAsks(network)]);
  // The sockets would keep it alive.
  process.exit(0);
}
