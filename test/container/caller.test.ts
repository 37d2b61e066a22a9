import { describe, expect, test } from "bun:test";
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot, settled } from "../helpers/machine.ts";

const library = join(import.meta.dir, "../../dist/index.js");
const USER = 12345;
const why = isRoot ? "" : "needs root";
const engines = [
  ["Node", ["node", "--input-type=module", "-e"]],
  ["Bun", [process.execPath, "-e"]],
] as const;

/** A program in a process group of its own, as a shell starts one in the foreground of a terminal. */
function program(words: readonly string[], text: string, from = library) {
  const [command = "", ...rest] = [...words, `const caisson = await import(${JSON.stringify(from)});\n${text}`];
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

  test("whose launcher is killed has another one, and what its pools need", async () => {
    const p = program(
      words,
      `const { readdirSync, readFileSync } = await import("node:fs");
      const isOwn = (pid) => {
        try {
          return readFileSync("/proc/" + pid + "/stat", "utf8").split(") ")[1].split(" ")[1] === String(process.pid);
        } catch {
          return false;
        }
      };
      const pools = [await caisson.containerPool({ size: 2 }), await caisson.containerPool({ size: 1 })];
      for (const pid of readdirSync("/proc").filter((n) => /^[0-9]+$/.test(n) && isOwn(n))) process.kill(pid, "SIGKILL");
      // It is not heard of at once.
      while (!(await caisson.run(["true"]).catch(() => undefined)));
      const said = [];
      for (let i = 0; i < 4; i++) said.push((await pools[0].run(["echo", String(i)])).stdout.trim());
      for (const pool of pools) await pool.dispose();
      console.log(said.join(""));`,
    );
    expect(await p.ended).toEqual({ code: 0, out: "0123\n" });
  });

  test("that gives up its rights makes containers as the one it is then", async () => {
    const directory = mkdtempSync(join(tmpdir(), "caisson-caller-"));
    try {
      chmodSync(directory, 0o755);
      // What it loads later it must be able to read, wherever this checkout is.
      const one = join(directory, "caisson.mjs");
      execFileSync(process.execPath, ["build", "--target=node", `--outfile=${one}`, library], { stdio: "ignore" });
      const p = program(
        words,
        `process.chdir("/");
        const uid = () => caisson.run(["sh", "-c", "cat /proc/self/uid_map; cat /etc/shadow"], { stderr: "ignore" });
        const before = (await uid()).stdout.split("\\n")[0].split(/ +/);
        process.setgroups([]); process.setgid(${USER}); process.setuid(${USER});
        process.env.HOME = process.env.XDG_RUNTIME_DIR = ${JSON.stringify(join(directory, "own"))};
        const after = await uid();
        console.log(before[3], after.stdout.trim().split(/ +/).join(" "));`,
        one,
      );
      mkdirSync(join(directory, "own"));
      chownSync(join(directory, "own"), USER, USER);
      expect(await p.ended).toEqual({ code: 0, out: `4294967295 0 ${USER} 1\n` });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
