import { createServer, type Server, type Socket } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { RequestSchema, ResponseSchema } from "../protocol/task_pb.ts";
import { type Frame, FrameReader, frame, TYPE } from "./frames.ts";
import { CODE, StatusError } from "./status.ts";

/** Takes a request's bytes, gives those of the response. */
export type Method = (payload: Uint8Array) => Promise<Uint8Array> | Uint8Array;
/** By service and method: "containerd.task.v2.Task/Create". */
export type Services = Readonly<Record<string, Method>>;

async function answer(services: Services, payload: Uint8Array): Promise<Uint8Array> {
  try {
    const { service, method, payload: given } = fromBinary(RequestSchema, payload);
    const name = `${service}/${method}`;
    const found = Object.hasOwn(services, name) ? services[name] : undefined;
    if (!found) throw new StatusError("unimplemented", `${name}: there is no such method`);
    return toBinary(ResponseSchema, create(ResponseSchema, { payload: await found(given) }));
  } catch (e) {
    const status = {
      code: e instanceof StatusError ? e.code : CODE.unknown,
      message: e instanceof Error ? e.message : String(e),
    };
    return toBinary(ResponseSchema, create(ResponseSchema, { status }));
  }
}

function serve(socket: Socket, services: Services): void {
  const reader = new FrameReader();
  const perform = async ({ stream, type, payload }: Frame) => {
    if (type !== TYPE.request) return;
    const response = await answer(services, payload.slice());
    if (!socket.destroyed) socket.write(frame(stream, TYPE.response, response));
  };
  socket.on("data", (chunk: Uint8Array) => {
    try {
      for (const f of reader.read(chunk)) void perform(f);
    } catch (e) {
      socket.destroy(e as Error);
    }
  });
  // Whoever is gone has got all that it will.
  socket.on("error", () => socket.destroy());
}

export function listen(path: string, services: Services): Promise<Server> {
  const server = createServer((socket) => serve(socket, services));
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve(server));
  });
}
