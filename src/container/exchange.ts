import { finished, Readable, type Writable } from "node:stream";
import { KILL_EVERYTHING } from "../kernel/signals.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { parseSize } from "../values/units.ts";
import type { Ending } from "./record.ts";
import type { Started } from "./start.ts";

export type Input = string | Uint8Array | AsyncIterable<string | Uint8Array>;
export type Output = "pipe" | "inherit" | "ignore";
export type Encoding = "utf8" | "buffer";
/** What a command wrote, in that encoding. */
export type Written<E extends Encoding> = E extends "buffer" ? Uint8Array : string;

/** What a command reads and writes, and how much of it is kept. */
export type StreamOptions<E extends Encoding = "utf8"> = {
  /** What the command reads from standard input: a text, bytes, or a stream of both. Default: nothing. */
  readonly input?: Input;
  /** "pipe" (default) collects, "inherit" is the caller's own, "ignore" is /dev/null. */
  readonly stdout?: Output;
  readonly stderr?: Output;
  /** What is collected comes as text ("utf8", the default), or as bytes ("buffer"). */
  readonly encoding?: E;
  /** A command that writes more than this to one of both is killed; what it wrote until then is kept. Default: "100M". */
  readonly maxOutput?: number | string;
  /** Kills the container when it fires; the run then rejects with its reason. */
  readonly signal?: AbortSignal;
};

const MOST_OUTPUT = "100M";
/** V8 has no longer texts. */
const LONGEST_TEXT = 2 ** 29 - 24;

/** How many bytes of each stream are kept. */
export function mostOutput({ encoding, maxOutput = MOST_OUTPUT }: StreamOptions<Encoding>): number {
  const most = parseSize("maxOutput", maxOutput);
  if (encoding !== "buffer" && most > LONGEST_TEXT)
    throw new InvalidOptionError(
      "maxOutput",
      maxOutput,
      `${LONGEST_TEXT} bytes at most: encoding "buffer" has no such limit`,
    );
  return most;
}

/** What is written, and no more of it; `tooMuch` is called once there is more. The rest is read all the same: the command is to be killed, not to fail. */
async function collect(stream: Readable | undefined, most: number, tooMuch: () => void): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let left = most;
  for await (const chunk of (stream ?? []) as AsyncIterable<Uint8Array>) {
    if (left < 0) continue;
    chunks.push(chunk.subarray(0, left));
    left -= chunk.length;
    if (left < 0) tooMuch();
  }
  return Buffer.concat(chunks);
}

type Running = Pick<Started, "ended" | "kill"> & { readonly stdin: Writable | undefined };

/**
 * Gives the input, and resolves when the command has ended: one that does not read it all is no error. One that cannot be given all of
 * it is killed, and its end rejects with the stream's error.
 */
export async function fed({ stdin, ended, kill }: Running, input: Input | undefined): Promise<Ending> {
  if (!stdin) return ended;
  stdin.on("error", () => {});
  // What it did not read, nobody will.
  const done = () => void stdin.destroy();
  ended.then(done, done);
  if (input === undefined || typeof input === "string" || input instanceof Uint8Array) {
    stdin.end(input ?? "");
    return ended;
  }
  let failure: Error | undefined;
  // What is neither text nor bytes is an error of the stream then, and no exception of whoever is written to.
  const isPlain = input instanceof Readable && !input.readableObjectMode;
  const stream = isPlain ? input : Readable.from(input, { objectMode: false });
  const forget = finished(stream, { writable: false }, (e) => {
    if (!e) return;
    failure = e;
    kill(KILL_EVERYTHING);
  });
  stream.pipe(stdin);
  // Killed before it has begun, it ends with an error of its own.
  const [ending] = await Promise.allSettled([ended]);
  forget();
  stream.unpipe(stdin);
  if (failure) throw failure;
  if (ending.status === "rejected") throw ending.reason;
  return ending.value;
}

/** What a command wrote, and how it ended. */
export type Exchanged<E extends Encoding> = {
  readonly ending: Ending;
  readonly stdout: Written<E>;
  readonly stderr: Written<E>;
  readonly outputExceeded: boolean;
};

/** Collects what is written until the end; `kill` is called for a command that writes too much. Rejects with the reason of a signal that fired. */
export async function collected<E extends Encoding>(
  { stdout, stderr, ended }: Pick<Started, "stdout" | "stderr" | "ended">,
  kill: () => void,
  o: StreamOptions<E> = {},
): Promise<Exchanged<E>> {
  const most = mostOutput(o);
  let outputExceeded = false;
  const tooMuch = () => {
    outputExceeded = true;
    kill();
  };
  const all = Promise.all([collect(stdout, most, tooMuch), collect(stderr, most, tooMuch)]);
  all.catch(() => {});
  const ending = await ended.finally(() => o.signal?.throwIfAborted());
  const [out, err] = (await all).map((b) => (o.encoding === "buffer" ? b : b.toString("utf8"))) as [
    Written<E>,
    Written<E>,
  ];
  return { ending, stdout: out, stderr: err, outputExceeded };
}
