import { afterAll, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isRoot } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const at = mkdtempSync(join(tmpdir(), "caisson-bundle-"));
afterAll(() => rmSync(at, { recursive: true }));
const bun = (...words: string[]) => execFileSync(process.execPath, words, { cwd: at, stdio: "pipe" });
const made = () => readdirSync("/dev/shm").filter((name) => name.startsWith("caisson-"));

test.skipIf(why !== "")(`the library works in one file, and in one executable${why && ` (skipped: ${why})`}`, () => {
  const library = join(import.meta.dir, "../../dist/index.js");
  const app = [
    `import { run } from ${JSON.stringify(library)};`,
    'const { stdout, exitCode } = await run(["sh", "-c", "echo from a bundle; exit 3"]);',
    "console.log(exitCode, stdout);",
  ];
  writeFileSync(join(at, "app.ts"), app.join("\n"));
  bun("build", "--target=node", "--outfile=app.mjs", "app.ts");
  writeFileSync(join(at, "main.ts"), `(async () => {${app.slice(1).join("\n")}})();\n${app[0]}`);
  bun("build", "--target=node", "--format=cjs", "--outfile=app.cjs", "main.ts");
  bun("build", "--compile", "--outfile=app", "app.ts");
  const before = made();
  for (const [command, ...words] of [["node", "app.mjs"], ["node", "app.cjs"], ["./app"]] as const) {
    const { stdout, stderr } = spawnSync(command, words, {
      cwd: at,
      encoding: "utf8",
      env: { PATH: process.env["PATH"] },
    });
    expect([stdout, stderr]).toEqual(["3 from a bundle\n\n", ""]);
  }
  expect(made()).toEqual(before);
});
