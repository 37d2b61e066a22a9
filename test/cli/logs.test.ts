import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
      const fd = openSync(path, "r");
      expect(bytes.subarray(startOfLast(fd, n)).toString()).toBe(n === 0 ? "" : all.slice(-n).join(""));
      closeSync(fd);
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

test.skipIf(!isRoot)(
  "logs --follow ends with the container, also if it is removed meanwhile, and begins with part of a name",
  async () => {
    const name = `logs-follow-${process.pid}`;
    const script = "echo first; while [ ! -e /tmp/go ]; do sleep 0.05; done; echo second; exec sleep 1000";
    expect((await sh("run", "-d", "--name", name, "--", "sh", "-c", script)).code).toBe(0);
    const following = sh("logs", "-f", name.slice(0, -1));
    try {
      await sh("exec", name, "touch", "/tmp/go");
      for (let i = 0; i < 200 && !(await sh("logs", name)).out.includes("second"); i++) await Bun.sleep(20);
      // Follows what is written later than it began.
      await Bun.sleep(300);
    } finally {
      await sh("rm", "-f", name);
    }
    expect(await following).toMatchObject({ out: "first\nsecond\n", err: "", code: 0 });
  },
);
