/** A server of two names, for the tests: name-server.ts ADDRESS NAME=ADDRESS… */
import { createSocket } from "node:dgram";
import packets from "dns-packet";

const [address = "", ...names] = process.argv.slice(2);
const known = new Map(names.map((n) => n.split("=") as [string, string]));
const socket = createSocket("udp4");
socket.on("message", (query, from) => {
  const asked = packets.decode(query);
  const [question] = asked.questions ?? [];
  const ip = known.get(question?.name ?? "");
  const NXDOMAIN = 3;
  const answer = packets.encode({
    type: "response",
    id: asked.id ?? 0,
    flags: packets.RECURSION_AVAILABLE | (ip ? 0 : NXDOMAIN),
    questions: asked.questions ?? [],
    answers: ip && question?.type === "A" ? [{ type: "A", name: question.name, ttl: 30, data: ip }] : [],
  });
  socket.send(answer, from.port, from.address);
});
socket.bind(53, address);
