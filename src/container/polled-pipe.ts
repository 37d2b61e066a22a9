import { close, read, write } from "node:fs";
import { Readable, Writable } from "node:stream";

const PIECE = 1 << 16;
const [SOONEST_MS, LATEST_MS] = [1, 16];

type Done = (e: NodeJS.ErrnoException | null, n: number) => void;
type Attempt = (done: Done) => void;

/** A descriptor that is not closed while something is done with its number, and with which nothing is done then. */
class Descriptor {
  readonly fd: number;
  #isBusy = false;
  #close: (() => void) | undefined;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Tries what would block again, after a while that doubles. */
  use(attempt: Attempt, done: Done, ms = SOONEST_MS): void {
    if (this.#close) return;
    this.#isBusy = true;
    attempt((e, n) => {
      this.#isBusy = false;
      if (this.#close) this.#close();
      else if (e?.code !== "EAGAIN") done(e, n);
      else setTimeout(() => this.use(attempt, done, Math.min(2 * ms, LATEST_MS)), ms);
    });
  }

  close(done: () => void): void {
    this.#close = () => close(this.fd, done);
    if (!this.#isBusy) this.#close();
  }
}

/**
 * Pipes for the threads of Node. When one of those ends it closes what it opened by node:fs and did not close so, whatever has that
 * number by then (`trackUnmanagedFds` of node:worker_threads): what a net.Socket closed may be another thread's. So these are read and
 * closed by node:fs alone, and never wait in it: a few reads that wait would hold up the files of all threads.
 */
export function polledReadable(fd: number): Readable {
  const own = new Descriptor(fd);
  return new Readable({
    read() {
      const piece = Buffer.allocUnsafe(PIECE);
      own.use(
        (done) => read(fd, piece, 0, PIECE, null, done),
        (e, n) => (e ? this.destroy(e) : this.push(n ? piece.subarray(0, n) : null)),
      );
    },
    destroy: (e, callback) => own.close(() => callback(e)),
  });
}

/** The same for writing. */
export function polledWritable(fd: number): Writable {
  const own = new Descriptor(fd);
  const all = (chunk: Uint8Array, callback: (e?: Error | null) => void): void =>
    own.use(
      (done) => write(fd, chunk, 0, chunk.length, null, done),
      (e, n) => (e || n === chunk.length ? callback(e) : all(chunk.subarray(n), callback)),
    );
  return new Writable({
    write: (chunk: Uint8Array, _encoding, callback) => all(chunk, callback),
    destroy: (e, callback) => own.close(() => callback(e)),
  });
}
