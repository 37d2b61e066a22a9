import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import {
  TaskCheckpointedSchema,
  TaskCreateSchema,
  TaskDeleteSchema,
  TaskExecAddedSchema,
  TaskExecStartedSchema,
  TaskExitSchema,
  TaskOOMSchema,
  TaskPausedSchema,
  TaskResumedSchema,
  TaskStartSchema,
} from "./protocol/events_pb.ts";
import { ForwardRequestSchema } from "./protocol/task_pb.ts";
import { Client } from "./ttrpc/client.ts";

/** What containerd is told of, by topic. */
const topics = {
  "/tasks/create": TaskCreateSchema,
  "/tasks/start": TaskStartSchema,
  "/tasks/exit": TaskExitSchema,
  "/tasks/delete": TaskDeleteSchema,
  "/tasks/oom": TaskOOMSchema,
  "/tasks/exec-added": TaskExecAddedSchema,
  "/tasks/exec-started": TaskExecStartedSchema,
  "/tasks/checkpointed": TaskCheckpointedSchema,
  "/tasks/paused": TaskPausedSchema,
  "/tasks/resumed": TaskResumedSchema,
} as const;
type Topics = typeof topics;

const SERVICE = "containerd.services.events.ttrpc.v1.Events";
const TIMEOUT_MS = 5000;
const RETRY_MS = 1000;
/** containerd may be away for an upgrade. What is older than so many events is let go. */
const LONGEST = 4096;

/** Events in their order, kept while containerd is away. */
export class Publisher {
  readonly #address: string;
  readonly #namespace: string;
  readonly #queue: Uint8Array[] = [];
  #client: Client | undefined;
  #sending: Promise<void> | undefined;

  constructor(address: string, namespace: string) {
    this.#address = address;
    this.#namespace = namespace;
  }

  publish<T extends keyof Topics>(topic: T, event: MessageInitShape<Topics[T]>): void {
    const schema: DescMessage = topics[topic];
    const value = toBinary(schema, create(schema, event as MessageInitShape<DescMessage>));
    const envelope = {
      timestamp: timestampNow(),
      namespace: this.#namespace,
      topic,
      event: { typeUrl: schema.typeName, value },
    };
    this.#queue.push(toBinary(ForwardRequestSchema, create(ForwardRequestSchema, { envelope })));
    if (this.#queue.length > LONGEST) this.#queue.shift();
    this.#sending ??= this.#send().finally(() => {
      this.#sending = undefined;
    });
  }

  async #send(): Promise<void> {
    for (let next = this.#queue[0]; next; next = this.#queue[0]) {
      try {
        if (!this.#client || this.#client.closed) this.#client = await Client.connect(this.#address);
        await this.#client.call(SERVICE, "Forward", next, TIMEOUT_MS);
        if (this.#queue[0] === next) this.#queue.shift();
      } catch {
        // Gone, or not there yet: the same event again, in its place, once it is back.
        this.#client?.close();
        this.#client = undefined;
        await sleep(RETRY_MS);
      }
    }
  }

  /** All that was published is said, or so much time is over. */
  async flush(ms: number): Promise<void> {
    await Promise.race([this.#sending, sleep(ms, undefined, { ref: false })]);
    this.#client?.close();
  }
}
