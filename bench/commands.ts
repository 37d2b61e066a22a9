/** A whole command that runs true, beside those of others, interleaved. Prints a line of JSON a figure. commands.ts WORK ROOT ROUNDS */
import { spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { median } from "./median.ts";

const [work = "", root = "", rounds = "60"] = process.argv.slice(2);
const here = join(import.meta.dirname, "..");

type Command = { readonly words: readonly string[]; readonly env?: Record<string, string> };
const perform = ({ words, env }: Command) =>
  spawnSync(words[0] as string, words.slice(1), {
    ...{ cwd: work, env: { ...process.env, ...env } },
    stdio: ["ignore", "ignore", "pipe"],
  });

const compiled = join(work, "compiled");
perform({ words: [join(here, "dist/caisson"), "compile", "-o", compiled, "--rootfs", root, "--", "/bin/true"] });
const run = [join(here, "caisson"), "run", "--rootfs", root, "--", "/bin/true"];
const own = join(work, "own");

const all: Record<string, Command> = {
  "caisson run, options as before": { words: run },
  // Nothing is kept there.
  "caisson run, for the first time": { words: run, env: { CAISSON_ROOT: own } },
  "a file made by caisson compile": { words: [compiled] },
  "crun run": { words: ["crun", "run", "bench"] },
  "runc run": { words: ["runc", "run", "bench"] },
  bwrap: { words: ["bwrap", "--bind", root, "/", "--proc", "/proc", "--dev", "/dev", "--unshare-all", "/bin/true"] },
  unshare: { words: ["unshare", "-muinpf", "-R", root, "/bin/true"] },
};

const works = Object.entries(all).filter(([name, command]) => {
  // The third time it is as it will be.
  const [, , r] = [1, 2, 3].map(() => perform(command));
  if (r?.status !== 0)
    console.error(
      `skipped: ${name}: ${
        String(r?.error ?? r?.stderr)
          .trim()
          .split("\n")[0]
      }`,
    );
  return r?.status === 0;
});
const times = new Map<string, number[]>(works.map(([name]) => [name, []]));
for (let i = 0; i < Number(rounds); i++)
  for (const [name, command] of works) {
    const began = performance.now();
    const { status, stderr } = perform(command);
    if (status !== 0) throw new Error(`${command.words.join(" ")}: ${status} ${stderr}`);
    times.get(name)?.push(performance.now() - began);
  }

const [WIDTH, BLOCK] = [4, 24];
let count = 0;

/** Milliseconds for each of a block of runs, so many at a time. */
async function block({ words: [file = "", ...rest], env }: Command): Promise<number> {
  const began = performance.now();
  let left = BLOCK;
  const worker = async () => {
    while (left-- > 0) {
      // Two containers of one name cannot be there at a time.
      const words = rest.map((w) => (w === "bench" ? `bench-${count++}` : w));
      const p = spawn(file, words, { cwd: work, env: { ...process.env, ...env }, stdio: "ignore" });
      const code = await new Promise((done) => p.once("exit", done));
      if (code !== 0) throw new Error(`${file} ${words.join(" ")}: ${code}`);
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
  return (performance.now() - began) / BLOCK;
}

const beside = new Map<string, number[]>(works.map(([name]) => [name, []]));
for (let i = 0; i < Number(rounds) / BLOCK; i++)
  for (const [name, command] of works) beside.get(name)?.push(await block(command));
rmSync(own, { recursive: true, force: true });
for (const [figure, measured] of [
  ["a whole command that runs true", times],
  [`the same, ${WIDTH} at a time, for each`, beside],
] as const) {
  const values = Object.fromEntries([...measured].map(([name, list]) => [name, median(list)]));
  const base = "runc run" in values ? "runc run" : "caisson run, for the first time";
  console.log(JSON.stringify({ figure, unit: "ms", base, values }));
}
