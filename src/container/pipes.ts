import { closeSync, constants, openSync } from "node:fs";
import { Socket } from "node:net";
import { Readable, Writable } from "node:stream";
import { isMainThread } from "node:worker_threads";
import { polledReadable, polledWritable } from "./polled-pipe.ts";

/**
 * Our end of a pipe that the launcher made. A process of the same user may open a pipe of another at /proc/PID/fd,
 * and that way the container has real pipes, with the kernel's back-pressure and nobody to copy between.
 */
const open = (pid: number, fd: number, flags: number) =>
  openSync(`/proc/${pid}/fd/${fd}`, flags | constants.O_NONBLOCK);

/** Bun's net.Socket does not take a pipe; its files do, and leave the descriptor open. */
type BunFile = {
  stream(): ReadableStream<Uint8Array>;
  writer(): {
    write(c: Uint8Array): number | Promise<number>;
    flush(): number | Promise<number>;
    end(): number | Promise<number>;
  };
};
const bun = (globalThis as { Bun?: { file(fd: number): BunFile } }).Bun;

export function readPipe(pid: number, fd: number): Readable {
  const own = open(pid, fd, constants.O_RDONLY);
  if (!bun) return isMainThread ? new Socket({ fd: own, readable: true, writable: false }) : polledReadable(own);
  const readable = Readable.fromWeb(bun.file(own).stream() as Parameters<typeof Readable.fromWeb>[0]);
  return readable.once("close", () => closeSync(own));
}

export function writePipe(pid: number, fd: number): Writable {
  const own = open(pid, fd, constants.O_WRONLY);
  if (!bun) return isMainThread ? new Socket({ fd: own, readable: false, writable: true }) : polledWritable(own);
  const sink = bun.file(own).writer();
  const end = async () => void (await sink.end());
  const writable = new Writable({
    write: (chunk: Uint8Array, _encoding, callback) =>
      settle(async () => void (await Promise.all([sink.write(chunk), sink.flush()])), callback),
    final: (callback) => settle(end, callback),
    // What nobody reads any more may never be written: it is not waited for.
    destroy: (e, callback) => {
      if (!writable.writableFinished) void settle(end, () => {});
      callback(e);
    },
  });
  return writable.once("close", () => closeSync(own));
}

/** Errors of Bun's sinks are thrown at once, or come later. */
async function settle(act: () => Promise<void>, callback: (e?: Error) => void): Promise<void> {
  let failed: Error | undefined;
  try {
    await act();
  } catch (e) {
    failed = e as Error;
  }
  callback(failed);
}
