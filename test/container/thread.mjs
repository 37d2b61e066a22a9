// What one of several threads does: commands with input and output, at the same time as the others.
import { parentPort, workerData } from "node:worker_threads";

const { container, run } = await import(workerData);
const COMMANDS = 20;
const input = "x".repeat(200_000);
const results = await Promise.all(
  Array.from({ length: COMMANDS }, async () => {
    const r = await run(["sh", "-c", "cat; echo err >&2; exit 3"], { input });
    return r.exitCode === 3 && r.stdout === input && r.stderr === "err\n";
  }),
);
const box = await container();
// One that is read no further, and one that reads nothing.
for await (const line of (await box.spawn(["yes"])).lines()) {
  results.push(line === "y");
  break;
}
results.push((await box.run(["true"], { input: new Uint8Array(1 << 20) })).exitCode === 0);
await box.dispose();
parentPort.postMessage(results.filter(Boolean).length === COMMANDS + 2 ? "all" : results);
