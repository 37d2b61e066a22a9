import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { startOfLast } from "../../src/cli/logs.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const scratch = mkdtempSync(join(tmpdir(), "caisson-logs-"));
afterAll(() => rmSync(scratch, { recursive: true }));

test("the last lines of a file, whether or not it ends with one, and however long they are", () => {
  const path = join(scratch, "log");
  const line = fc.oneof(fc.constant(""), fc.string(), fc.constant("x".repeat(70_000)));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 6 }), fc.boolean(), fc.nat(7), (lines, ended, n) => {
      const plain = lines.map((l) => l.replaceAll("\n", " "));
      const text = plain.join("\n") + (ended && plain.length ? "\n" : "");
      writeFileSync(path, text);
      const all = text.split(/(?<=\n)/).filter(Boolean);
      const bytes = readFileSync(path);
      expect(bytes.subarray(startOfLast(path, n)).toString()).toBe(n === 0 ? "" : all.slice(-n).join(""));
    }),
    { numRuns: 200 },
  );
});

test.skipIf(!isRoot)("logs --tail", async () => {
  const name = `logs-${process.pid}`;
  expect((await sh("run", "-d", "--keep", "--name", name, "--", "sh", "-c", "seq 5")).code).toBe(0);
  try {
    await sh("wait", name);
    expect((await sh("logs", name)).out).toBe("1\n2\n3\n4\n5\n");
    expect((await sh("logs", "-n", "2", name)).out).toBe("4\n5\n");
    expect((await sh("logs", "--tail", "all", name)).out).toBe("1\n2\n3\n4\n5\n");
    expect((await sh("logs", "--tail", "x", name)).err).toContain("--tail");
  } finally {
    await sh("rm", "-f", name);
  }
});
