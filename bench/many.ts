/** `many.js ROOT`: 10,000 runs in a row and 1,000 at once, as one JSON object. */
import { readdirSync } from "node:fs";
import { run } from "../src/index.ts";
import { median } from "./median.ts";

const [root = ""] = process.argv.slice(2);
const options = { rootfs: root, stdout: "ignore", stderr: "ignore" } as const;
const count = (path: string) => readdirSync(path).filter((n) => /^\d+$/.test(n)).length;
const one = async () => {
  const began = performance.now();
  await run(["/bin/true"], options);
  return performance.now() - began;
};

for (let i = 0; i < 300; i++) await one();
const [processes, descriptors] = [count("/proc"), count("/proc/self/fd")];
const times: number[] = [];
for (let i = 0; i < 10_000; i++) times.push(await one());
const left = { processes: count("/proc") - processes, descriptors: count("/proc/self/fd") - descriptors };
const began = performance.now();
await Promise.all(Array.from({ length: 1000 }, one));
const together = performance.now() - began;
console.log(
  JSON.stringify({
    "ms of one of the first 1,000 runs": median(times.slice(0, 1000)),
    "ms of one of the last of 10,000": median(times.slice(-1000)),
    "processes more after 10,000": left.processes,
    "descriptors more after 10,000": left.descriptors,
    "ms each of 1,000 at once": together / 1000,
  }),
);
