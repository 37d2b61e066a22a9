import { connect, type Socket } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema } from "../protocol/task_pb.ts";
import { FrameReader, frame, TYPE } from "./frames.ts";
import { StatusError } from "./status.ts";

type Waiting = { readonly resolve: (payload: Uint8Array) => void; readonly reject: (e: Error) => void };

/** One connection, any number of calls on it at once. */
export class Client {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #over: Error | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const reader = new FrameReader();
    socket.on("data", (chunk: Uint8Array) => {
      try {
        for (const { stream, type, payload } of reader.read(chunk)) {
          if (type !== TYPE.response) continue;
          const waiting = this.#waiting.get(stream);
          this.#waiting.delete(stream);
          const { status, payload: answer } = fromBinary(ResponseSchema, payload);
          if (status?.code) waiting?.reject(new StatusError(status.code, status.message));
          else waiting?.resolve(answer);
        }
      } catch (e) {
        socket.destroy(e as Error);
      }
    });
    socket.on("error", (e) => this.#end(e));
    socket.on("close", () => this.#end(new StatusError("unavailable", "the connection was closed")));
  }

  static connect(path: string): Promise<Client> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Client(socket));
      });
    });
  }

  get closed(): boolean {
    return this.#over !== undefined;
  }

  call(service: string, method: string, payload: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    if (this.#over) return Promise.reject(this.#over);
    const stream = this.#next;
    this.#next += 2;
    const timeoutNano = BigInt(timeoutMs) * 1_000_000n;
    const request = create(RequestSchema, { service, method, payload, timeoutNano });
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(stream);
        reject(new StatusError("deadlineExceeded", `${service}/${method}: no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      const settled = <T>(then: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      };
      this.#waiting.set(stream, { resolve: settled(resolve), reject: settled(reject) });
      this.#socket.write(frame(stream, TYPE.request, toBinary(RequestSchema, request)));
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #end(e: Error): void {
    if (this.#over) return;
    this.#over = e;
    for (const { reject } of this.#waiting.values()) reject(e);
    this.#waiting.clear();
  }
}
