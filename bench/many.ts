/** `many.js ROOT`: 10,000 runs in a row and 1,000 at once, as one JSON object. */
import { readdirSync } from "node:fs";
import { identityOf } from "../src/host/identity.ts";
import { run } from "../src/index.ts";
import { median } from "./median.ts";

const [root = ""] = process.argv.slice(2);
const options = { rootfs: root, stdout: "ignore", stderr: "ignore" } as const;
const numbers = (path: string) => readdirSync(path).filter((n) => /^\d+$/.test(n));
/** The kernel's own come and go: they are children of process 2. */
const isKernels = (pid: string) => identityOf(Number(pid))?.parent === 2;

/** What has ended a moment ago is reaped with others a moment later. */
async function counted(): Promise<{ processes: number; descriptors: number }> {
  await new Promise((r) => setTimeout(r, 200));
  const processes = numbers("/proc").filter((pid) => !isKernels(pid)).length;
  return { processes, descriptors: numbers("/proc/self/fd").length };
}
const one = async () => {
  const began = performance.now();
  await run(["/bin/true"], options);
  return performance.now() - began;
};

for (let i = 0; i < 300; i++) await one();
const before = await counted();
const times: number[] = [];
for (let i = 0; i < 10_000; i++) times.push(await one());
const after = await counted();
const began = performance.now();
await Promise.all(Array.from({ length: 1000 }, one));
const together = performance.now() - began;
console.log(
  JSON.stringify({
    "ms of one of the first 1,000 runs": median(times.slice(0, 1000)),
    "ms of one of the last of 10,000": median(times.slice(-1000)),
    "processes more after 10,000": after.processes - before.processes,
    "descriptors more after 10,000": after.descriptors - before.descriptors,
    "ms each of 1,000 at once": together / 1000,
  }),
);
