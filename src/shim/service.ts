import {
  create,
  type DescMessage,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import { EmptySchema } from "@bufbuild/protobuf/wkt";
import { CaissonError } from "../values/errors.ts";
import { Publisher } from "./events.ts";
import { exitedAt } from "./process.ts";
import { ProcessDetailsSchema } from "./protocol/options_pb.ts";
import * as m from "./protocol/task_pb.ts";
import { RESERVATIONS } from "./reservations.ts";
import { Task, type TaskStatus } from "./task.ts";
import type { Method, Services } from "./ttrpc/server.ts";
import { StatusError } from "./ttrpc/status.ts";

const TASK = "containerd.task.v2.Task";
/** A reservation that nobody comes for. */
const RESERVED_MS = 60_000;
const statuses: Readonly<Record<TaskStatus, number>> = { created: 1, running: 2, stopped: 3, paused: 4 };

/** A typed method as one of bytes. Errors of ours keep their words. */
function method<I extends DescMessage, O extends DescMessage>(
  input: I,
  output: O,
  perform: (request: MessageShape<I>) => Promise<MessageInitShape<O>> | MessageInitShape<O>,
): Method {
  return async (payload) => {
    try {
      return toBinary(output, create(output, await perform(fromBinary(input, payload))));
    } catch (e) {
      if (!(e instanceof CaissonError)) throw e;
      const code = /does not exist/.test(e.message)
        ? "notFound"
        : /already exists/.test(e.message)
          ? "alreadyExists"
          : /not running|not stopped/.test(e.message)
            ? "failedPrecondition"
            : "unknown";
      throw new StatusError(code, e.message);
    }
  };
}

export type Shim = {
  readonly namespace: string;
  /** There is nothing left to serve. */
  idle(): void;
};

/** All tasks of one shim, and the methods that containerd calls. Source: containerd's "runtime/v2/README.md". */
export function services(shim: Shim): { readonly methods: Services; readonly flush: (ms: number) => Promise<void> } {
  const tasks = new Map<string, Task>();
  const creating = new Set<string>();
  const reserved = new Map<string, { readonly publish: string; readonly timer: NodeJS.Timeout }>();
  const publishers = new Map<string, Publisher>();
  const publisherAt = (address: string): Publisher => {
    const known = publishers.get(address) ?? new Publisher(address, shim.namespace);
    publishers.set(address, known);
    return known;
  };
  const find = (id: string): Task => {
    const task = tasks.get(id);
    if (!task) throw new StatusError("notFound", `task ${id}: not found`);
    return task;
  };
  const forget = (id: string): void => {
    clearTimeout(reserved.get(id)?.timer);
    reserved.delete(id);
    if (tasks.size === 0 && reserved.size === 0) shim.idle();
  };
  const on = <O extends DescMessage>(
    output: O,
    perform: (t: Task, w: m.Which) => Promise<MessageInitShape<O>> | MessageInitShape<O>,
  ): Method => method(m.WhichSchema, output, (w) => perform(find(w.id), w));

  const methods: Services = {
    [`${RESERVATIONS}/Reserve`]: method(m.ReserveRequestSchema, EmptySchema, ({ id, publish }) => {
      clearTimeout(reserved.get(id)?.timer);
      const timer = setTimeout(() => forget(id), RESERVED_MS);
      reserved.set(id, { publish, timer });
      return {};
    }),
    /** `delete` has done what is to be done on disk: its process is not waited for any more. */
    [`${RESERVATIONS}/Forget`]: method(m.WhichSchema, EmptySchema, ({ id }) => {
      tasks.delete(id);
      forget(id);
      return {};
    }),
    [`${TASK}/Create`]: method(m.CreateRequestSchema, m.PidResponseSchema, async (r) => {
      if (tasks.has(r.id) || creating.has(r.id)) throw new StatusError("alreadyExists", `task ${r.id}: already exists`);
      const publisher = publisherAt(reserved.get(r.id)?.publish ?? "");
      creating.add(r.id);
      try {
        const task = await Task.create(r, { namespace: shim.namespace, publisher });
        tasks.set(r.id, task);
        return { pid: task.init.pid };
      } finally {
        creating.delete(r.id);
      }
    }),
    [`${TASK}/Start`]: on(m.PidResponseSchema, async (t, w) => ({ pid: await t.start(w.execId) })),
    [`${TASK}/Delete`]: on(m.DeleteResponseSchema, async (t, w) => {
      const { pid, exit } = await t.delete(w.execId);
      if (w.execId === "") tasks.delete(w.id);
      return { pid, exitStatus: exit?.status ?? 0, exitedAt: exitedAt(exit) };
    }),
    [`${TASK}/State`]: on(m.StateResponseSchema, (t, w) => {
      const p = t.process(w.execId);
      const { stdin, stdout, stderr, terminal } = p.io;
      return {
        ...{ id: t.id, bundle: t.bundle, pid: p.pid, status: statuses[t.status(w.execId)], execId: w.execId },
        ...{ stdin, stdout, stderr, terminal, exitStatus: p.exit?.status ?? 0, exitedAt: exitedAt(p.exit) },
      };
    }),
    [`${TASK}/Pids`]: on(m.PidsResponseSchema, (t) => ({
      processes: t.pids().map(({ pid, execId }) => ({
        pid,
        ...(execId !== undefined && {
          info: {
            typeUrl: ProcessDetailsSchema.typeName,
            value: toBinary(ProcessDetailsSchema, create(ProcessDetailsSchema, { execId })),
          },
        }),
      })),
    })),
    [`${TASK}/Pause`]: on(EmptySchema, async (t) => (await t.pause(), {})),
    [`${TASK}/Resume`]: on(EmptySchema, async (t) => (await t.resume(), {})),
    [`${TASK}/Checkpoint`]: method(m.CheckpointRequestSchema, EmptySchema, async (r) => {
      await find(r.id).checkpoint(r);
      return {};
    }),
    [`${TASK}/Kill`]: method(m.KillRequestSchema, EmptySchema, async (r) => {
      await find(r.id).kill(r.execId, r.signal, r.all);
      return {};
    }),
    [`${TASK}/Exec`]: method(m.ExecRequestSchema, EmptySchema, (r) => {
      find(r.id).exec(r);
      return {};
    }),
    [`${TASK}/ResizePty`]: method(m.ResizeRequestSchema, EmptySchema, async (r) => {
      await find(r.id).process(r.execId).resize(r.width, r.height);
      return {};
    }),
    // The input is the client's end of a FIFO: that it has closed is the end, and nobody here holds another.
    [`${TASK}/CloseIO`]: method(m.CloseRequestSchema, EmptySchema, (r) => (find(r.id).process(r.execId), {})),
    [`${TASK}/Update`]: method(m.UpdateRequestSchema, EmptySchema, async (r) => {
      await find(r.id).update(r.resources?.value ?? new Uint8Array());
      return {};
    }),
    [`${TASK}/Wait`]: on(m.WaitResponseSchema, async (t, w) => {
      const exit = await t.process(w.execId).exited;
      return { exitStatus: exit.status, exitedAt: exitedAt(exit) };
    }),
    [`${TASK}/Stats`]: on(m.StatsResponseSchema, async (t) => ({ stats: await t.stats() })),
    [`${TASK}/Connect`]: on(m.ConnectResponseSchema, (t) => ({
      ...{ shimPid: process.pid, taskPid: t.init.pid, version: "caisson" },
    })),
    [`${TASK}/Shutdown`]: method(m.ShutdownRequestSchema, EmptySchema, ({ id }) => {
      if (!tasks.has(id)) forget(id);
      return {};
    }),
  };
  return {
    methods,
    async flush(ms) {
      await Promise.all([...publishers.values()].map((p) => p.flush(ms)));
    },
  };
}
