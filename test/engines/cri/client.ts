import { type ClientHttp2Session, connect as http2 } from "node:http2";
import { connect } from "node:net";
import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";

const SERVICE = "/runtime.v1.RuntimeService";
const PREFIX = 5;

/** The kubelet's side of containerd's CRI plugin: unary calls of gRPC, which are HTTP/2 with a length before each message. */
export class Cri {
  readonly #session: ClientHttp2Session;

  constructor(socket: string) {
    this.#session = http2("http://containerd", { createConnection: () => connect(socket) });
    this.#session.on("error", () => {});
  }

  call<I extends DescMessage, O extends DescMessage>(
    method: string,
    input: I,
    request: MessageInitShape<I>,
    output: O,
  ): Promise<MessageShape<O>> {
    const message = toBinary(input, create(input, request));
    const body = Buffer.alloc(PREFIX + message.length);
    body.writeUInt32BE(message.length, 1);
    body.set(message, PREFIX);
    const headers = {
      ":method": "POST",
      ":path": `${SERVICE}/${method}`,
      "content-type": "application/grpc",
      te: "trailers",
    };
    return new Promise((resolve, reject) => {
      const stream = this.#session.request(headers);
      const chunks: Buffer[] = [];
      // An error without a message has its status in the headers, and nothing after them.
      const note = (h: Record<string, unknown>) => {
        const status = h["grpc-status"];
        if (status === undefined) return;
        if (String(status) === "0") resolve(fromBinary(output, Buffer.concat(chunks).subarray(PREFIX)));
        else reject(new Error(`${method}: ${status}: ${decodeURIComponent(String(h["grpc-message"]))}`));
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("data", (d: Buffer) => chunks.push(d));
      stream.on("error", reject);
      stream.on("close", () => reject(new Error(`${method}: the stream was closed`)));
      stream.end(body);
    });
  }

  close(): void {
    this.#session.close();
  }
}
