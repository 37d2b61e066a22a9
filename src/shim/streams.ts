import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import type { Stream, Streams } from "../compile/runtime/lifecycle.ts";
import { AT_FDCWD, S_IF } from "../kernel/flags.ts";
import { performed } from "./launch.ts";
import { StatusError } from "./ttrpc/status.ts";

/** Where the streams of a process go, as containerd names them: paths of FIFOs, or URIs of a file or a logger. */
export type Io = {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
};

export type OpenStreams = {
  readonly streams: Streams;
  /**
   * What was held open so that nobody need wait, nor sees an end before there was a beginning, is let go: the process
   * has its streams, and whoever writes and reads has the others' ends.
   */
  release(): void;
  close(): void;
};

export type Whose = { readonly id: string; readonly namespace: string; readonly bundle: string };

const isFifo = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFIFO() === true;

function output(field: string, uri: string): Stream | undefined {
  if (uri === "") return undefined;
  const url = uri.includes("://") ? new URL(uri) : undefined;
  if (url === undefined || url.protocol === "fifo:") {
    const path = url?.pathname ?? uri;
    if (!isFifo(path)) throw new StatusError("invalidArgument", `${field}: ${JSON.stringify(uri)} is not a FIFO`);
    return { kind: "fifo", path };
  }
  if (url.protocol === "file:") return { kind: "file", path: decodeURIComponent(url.pathname) };
  throw new StatusError("unimplemented", `${field}: ${JSON.stringify(uri)} is not a FIFO, file:// or binary://`);
}

/**
 * A program that takes the output: it reads descriptors 3 and 4, and closes 5 when it is ready. Source: containerd's
 * "runtime/v2/README.md", "Logging".
 */
async function startLogger(uri: string, whose: Whose): Promise<OpenStreams> {
  const url = new URL(uri);
  const paths = ["stdout", "stderr"].map((name) => join(whose.bundle, `caisson-${whose.id}-${name}`));
  await performed("logging", (s) => {
    for (const path of paths) s.call(`make ${path}`, "mknodat", [AT_FDCWD, path, S_IF.FIFO | 0o600, 0]);
  });
  const remove = () => {
    for (const path of paths) rmSync(path, { force: true });
  };
  const holders = paths.map((path) => openSync(path, constants.O_RDWR | constants.O_NONBLOCK));
  const readers = paths.map((path) => openSync(path, constants.O_RDONLY));
  const words = [...url.searchParams].flatMap(([key, value]) => (value === "" ? [key] : [key, value]));
  try {
    const logger = spawn(decodeURIComponent(url.pathname), words, {
      stdio: ["ignore", "ignore", "ignore", ...readers, "pipe"],
      env: { ...process.env, CONTAINER_ID: whose.id, CONTAINER_NAMESPACE: whose.namespace },
      detached: true,
    });
    const failed = once(logger, "error").then(([e]) => Promise.reject(e as Error));
    const [, , , , , ready] = logger.stdio as readonly unknown[] as readonly Readable[];
    if (!ready) throw new Error("it has no pipe to say that it is ready");
    ready.resume();
    await Promise.race([failed, once(ready, "close"), once(ready, "data")]);
    failed.catch(() => {});
    logger.unref();
  } catch (e) {
    for (const fd of holders) closeSync(fd);
    remove();
    throw new StatusError("unknown", `logging: ${url.pathname}: ${(e as Error).message}`);
  } finally {
    for (const fd of readers) closeSync(fd);
  }
  const release = () => {
    for (const fd of holders.splice(0)) closeSync(fd);
  };
  const [stdout, stderr] = paths.map((path) => ({ kind: "fifo" as const, path })) as [Stream, Stream];
  return { streams: { stdout, stderr }, release, close: remove };
}

/**
 * The container's own descriptors are the FIFOs: nobody copies. Its input is held open until it was started, as a client's
 * open for writing may come a moment after ours for reading.
 */
export async function openStreams(io: Io, whose: Whose): Promise<OpenStreams> {
  if (io.stdin !== "" && !isFifo(io.stdin))
    throw new StatusError("invalidArgument", `stdin: ${JSON.stringify(io.stdin)} is not a FIFO`);
  const logger = io.stdout.startsWith("binary:") ? await startLogger(io.stdout, whose) : undefined;
  const stdout = logger ? undefined : output("stdout", io.stdout);
  const stderr = logger || io.terminal ? undefined : output("stderr", io.stderr);
  let input = io.stdin === "" ? undefined : openSync(io.stdin, constants.O_RDWR | constants.O_NONBLOCK);
  const release = () => {
    logger?.release();
    if (input !== undefined) closeSync(input);
    input = undefined;
  };
  return {
    streams: {
      ...(io.stdin !== "" && { stdin: { kind: "fifo", path: io.stdin } }),
      ...(stdout && { stdout }),
      ...(stderr && { stderr }),
      ...logger?.streams,
    },
    release,
    close() {
      release();
      logger?.close();
    },
  };
}
