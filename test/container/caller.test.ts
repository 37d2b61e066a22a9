import { describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { join } from "node:path";
import { isRoot, settled } from "../helpers/machine.ts";

const library = join(import.meta.dir, "../../dist/index.js");
const why = isRoot ? "" : "needs root";
const engines = [
  ["Node", ["node", "--input-type=module", "-e"]],
  ["Bun", [process.execPath, "-e"]],
] as const;

/** A program in a process group of its own, as a shell starts one in the foreground of a terminal. */
function program(words: readonly string[], text: string) {
  const [command = "", ...rest] = [...words, `const caisson = await import(${JSON.stringify(library)});\n${text}`];
  const child = spawn(command, rest, { detached: true, stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  const ended = new Promise<{ code: number | null; out: string }>((resolve) =>
    child.on("close", (code) => resolve({ code, out })),
  );
  const says = async (word: string) => {
    while (!out.includes(word)) await Bun.sleep(5);
  };
  return { interrupt: () => process.kill(-(child.pid as number), "SIGINT"), says, ended };
}

describe.skipIf(why !== "").each(engines)(`a program of %s${why && ` (skipped: ${why})`}`, (_, words) => {
  test("that handles an interrupt still has its containers then, and commands are interrupted", async () => {
    const before = await settled();
    const p = program(
      words,
      `const box = await caisson.container();
      const command = await box.spawn(["sleep", "1000"]);
      process.on("SIGINT", async () => {
        const { signal } = await command.ended;
        const inside = await box.run(["echo", "inside"]);
        const other = await caisson.run(["echo", "other"]);
        await box.dispose();
        console.log(signal, inside.stdout, other.stdout);
      });
      console.log("ready");`,
    );
    await p.says("ready");
    p.interrupt();
    expect(await p.ended).toEqual({ code: 0, out: "ready\n2 inside\n other\n\n" });
    expect(await settled()).toEqual(before);
  });

  test("that does not handle one ends, and its containers with it", async () => {
    const before = await settled();
    const p = program(
      words,
      `const box = await caisson.container({ memory: "64M" });
      console.log("ready");
      await caisson.run(["sleep", "1000"]);`,
    );
    await p.says("ready");
    p.interrupt();
    expect(await p.ended).toEqual({ code: null, out: "ready\n" });
    expect(await settled()).toEqual(before);
  });

  test("waits for what it disposes of, and for a command that it kills at once", async () => {
    const p = program(
      words,
      `const box = await caisson.container({ detached: true });
      const command = await box.spawn(["sleep", "1000"]);
      command.kill("SIGTERM");
      const { signal } = await command.ended;
      await box.dispose();
      console.log(signal);`,
    );
    expect(await p.ended).toEqual({ code: 0, out: "15\n" });
  });
});
