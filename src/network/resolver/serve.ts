import { createSocket } from "node:dgram";
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import packets from "dns-packet";
import { formatIp } from "../address.ts";
import { leaseDirectory, leasesOf } from "../leases.ts";
import { findNetwork, isAsNoted, type Network } from "../networks.ts";
import { allowAnswer } from "./allow.ts";
import { addressesOf, decide, type KnownLease } from "./answer.ts";
import { readyFile } from "./ensure.ts";
import { forward } from "./forward.ts";

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

/** Resolves to false if somebody else has the place. */
function serveUdp(network: Network, address: string): Promise<boolean> {
  const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
  return new Promise((resolve, reject) => {
    socket.on("error", (e: NodeJS.ErrnoException) => (e.code === "EADDRINUSE" ? resolve(false) : reject(e)));
    socket.on("message", (query, from) => {
      answer(network, query, plain(from.address), "udp").then(
        (bytes) => socket.send(bytes, from.port, from.address),
        // What cannot be decoded is not answered.
        () => {},
      );
    });
    socket.bind(DNS_PORT, address, () => resolve(true));
  });
}

function serveTcp(network: Network, address: string): Promise<void> {
  const server = createServer((socket) => {
    let got = Buffer.alloc(0);
    socket.on("error", () => socket.destroy());
    socket.setTimeout(10_000, () => socket.destroy());
    socket.on("data", (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      while (got.length >= 2 && got.length >= 2 + got.readUInt16BE(0)) {
        const query = got.subarray(2, 2 + got.readUInt16BE(0));
        got = got.subarray(2 + query.length);
        answer(network, Buffer.from(query), plain(socket.remoteAddress ?? ""), "tcp").then(
          (bytes) => {
            const length = Buffer.alloc(2);
            length.writeUInt16BE(bytes.length);
            socket.write(Buffer.concat([length, bytes]));
          },
          () => socket.destroy(),
        );
      }
    });
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
      if ((e as NodeJS.ErrnoException).code !== "EADDRNOTAVAIL" || Date.now() - began > BEGIN_MS) throw e;
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
      if (!["ENXIO", "ENOENT"].includes((e as NodeJS.ErrnoException).code ?? "")) throw e;
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
  announce(name);
  for (let missing = 0; missing < CALM_MS && isAsNoted(network); ) {
    await sleep(POLL_MS);
    missing = existsSync(leaseDirectory(name)) ? 0 : missing + POLL_MS;
  }
  // The sockets would keep it alive.
  process.exit(0);
}
