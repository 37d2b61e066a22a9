import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { hostResolvConf } from "../resolv-conf.ts";

const DNS_PORT = 53;
const WAIT_MS = 2000;

const overUdp = (server: string, query: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const socket = createSocket(isIPv6(server) ? "udp6" : "udp4");
    const timer = setTimeout(() => finish(new Error(`${server} did not answer`)), WAIT_MS);
    let over = false;
    const finish = (result: Buffer | Error) => {
      // A socket that could not connect may say so more than once.
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.close();
      if (result instanceof Error) reject(result);
      else resolve(result);
    };
    socket.on("error", finish);
    socket.on("message", (m, from) => {
      // Of the one that was asked, and with the number of the question: all else answers another.
      if (from.address === server && m.length >= 12 && m.readUInt16BE(0) === query.readUInt16BE(0)) finish(m);
    });
    // Sent without connecting: what cannot be reached is then an error of this message alone.
    socket.send(query, DNS_PORT, server, (e) => {
      if (e) finish(e);
    });
  });

/** Over TCP each message has its length in front: RFC 1035 4.2.2. */
export function framed(message: Uint8Array): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

const overTcp = (server: string, query: Buffer): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const socket = connect(DNS_PORT, server);
    let got = Buffer.alloc(0);
    socket.setTimeout(WAIT_MS, () => socket.destroy(new Error(`${server} did not answer`)));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error(`${server} closed the connection`)));
    socket.on("data", (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      if (got.length < 2 || got.length < 2 + got.readUInt16BE(0)) return;
      resolve(got.subarray(2, 2 + got.readUInt16BE(0)));
      socket.destroy();
    });
    socket.on("connect", () => socket.write(framed(query)));
  });

/** Asks this machine's own servers, one after the other, the way that the question came. */
export async function forward(query: Buffer, protocol: "udp" | "tcp"): Promise<Buffer> {
  let last = new Error("this machine has no name server");
  for (const server of hostResolvConf().servers) {
    try {
      return await (protocol === "udp" ? overUdp : overTcp)(server, query);
    } catch (e) {
      last = e as Error;
    }
  }
  throw last;
}
