/** One process of the library's figures: `library.js ROOT N` prints the milliseconds of N runs, of a pool's, one a line. */
import { containerPool, run } from "../src/index.ts";

const [root = "", count = "0"] = process.argv.slice(2);
const n = Number(count);
const options = { rootfs: root, stdout: "ignore", stderr: "ignore" } as const;
for (let i = 0; i < 300; i++) await run(["/bin/true"], options);
for (let i = 0; i < n; i++) console.log("run", (await run(["/bin/true"], options)).wallTime * 1000);
const pool = await containerPool({ rootfs: root, size: 2 });
for (let i = 0; i < n; i++) {
  await new Promise((r) => setTimeout(r, 10));
  console.log("pool", (await pool.run(["/bin/true"])).wallTime * 1000);
}
await pool.dispose();
