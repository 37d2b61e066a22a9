import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { optionNames } from "../src/container/shape.ts";
import { isRoot } from "./helpers/machine.ts";

const top = join(import.meta.dir, "..");
const readme = readFileSync(join(top, "README.md"), "utf8");
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map((m) => m[1] ?? "");

/** Where the programs are performed: a directory with the file that the README's copies. */
const project = mkdtempSync("/tmp/caisson-project-");
writeFileSync(join(project, "package.json"), "{}");
afterAll(() => rmSync(project, { recursive: true }));

/** What a document's program prints; that it fails, or complains, fails the test. */
async function performed(program: string): Promise<string> {
  const code = program.replace('from "caisson"', `from ${JSON.stringify(join(top, "src/index.ts"))}`);
  const stdin = new Blob([code]);
  const p = Bun.spawn([process.execPath, "-"], { stdin, stdout: "pipe", stderr: "pipe", cwd: project });
  const [out, err, status] = await Promise.all([
    new Response(p.stdout).text(),
    new Response(p.stderr).text(),
    p.exited,
  ]);
  expect(`${status} ${err}`).toBe("0 ");
  return out;
}

test.skipIf(!isRoot)("the README's program runs as it is", async () => {
  const [program = ""] = blocks("ts");
  const out = await performed(program);
  expect(out).toContain("No such file or directory");
});

for (const [page, says] of [
  ["namespaces", /^one\n[2-9]/],
  ["system-calls", /mkdir \/allowed\nmkdir \/refused\n\/allowed\n/],
] as const)
  test.skipIf(!isRoot)(`the program of docs/${page}.md runs as it is`, async () => {
    const text = readFileSync(join(top, `docs/${page}.md`), "utf8");
    const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(text) ?? [];
    const out = await performed(program);
    expect(out).toMatch(says);
  });

test.skipIf(!isRoot)("the program of the page on control groups runs as it is", async () => {
  const page = readFileSync(join(top, "docs/control-groups.md"), "utf8");
  const [, program = ""] = /^```ts\n(.*?)^```$/ms.exec(page) ?? [];
  const out = await performed(program);
  expect(out).toMatch(/^built\n \d+/);
});

test.skipIf(!isRoot)(
  "the README's commands print what it says",
  async () => {
    const session = blocks("console")
      .filter((b) => b.startsWith("$ caisson"))
      .join("\n");
    // Its arguments are addresses, which are others each time.
    const plain = (text: string) => text.replace(/^(caisson: refused by its seccomp profile: \w+)\(.*$/gm, "$1");
    const path = `${join(top, "dist")}:${process.env["PATH"]}`;
    for (const part of session.split(/^\$ /m).slice(1)) {
      const [command = "", ...lines] = part.trimEnd().split("\n");
      // Networks are for a namespace of the tests' own: test/network.
      if (command.includes("http.server") || /^caisson (exec|stop) /.test(command)) continue;
      const p = Bun.spawn(["sh", "-c", `${command} 2>&1`], { env: { ...process.env, PATH: path }, stdout: "pipe" });
      const out = (await new Response(p.stdout).text()).trimEnd().replace(/[0-9a-f]{12}/g, "ID");
      expect([command, plain(out)]).toEqual([
        command,
        lines
          .join("\n")
          .trimEnd()
          .replace(/[0-9a-f]{12}/g, "ID"),
      ]);
    }
  },
  60_000,
);

test("links between documents lead somewhere", () => {
  for (const file of [
    "README.md",
    ...readdirSync(join(top, "docs"))
      .filter((f) => f.endsWith(".md"))
      .map((f) => `docs/${f}`),
  ])
    for (const [, target = ""] of readFileSync(join(top, file), "utf8").matchAll(/\]\(([^)#:]+)\)/g))
      expect(readFileSync(join(top, file, "..", target), "utf8").length).toBeGreaterThan(0);
});

test("every option of the library has a docstring or says what it is by its name", () => {
  const source = readFileSync(join(top, "src/container/options.ts"), "utf8");
  for (const name of optionNames) expect(source).toContain(`readonly ${name}?:`);
});
