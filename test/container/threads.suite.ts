import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";

const THREADS = 4;
const ROUNDS = 3;

/** Several threads use the library at once, and end: what one of them had open is not another's. */
export async function useInThreads(thread: URL, library: URL): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const said = Array.from(
      { length: THREADS },
      () =>
        new Promise((resolve, reject) => {
          const messages: unknown[] = [];
          const worker = new Worker(thread, { workerData: library.href });
          worker.on("message", (m) => messages.push(m)).on("error", reject);
          worker.on("exit", (code) => resolve([code, ...messages]));
        }),
    );
    assert.deepEqual(
      await Promise.all(said),
      said.map(() => [0, "all"]),
    );
  }
}
