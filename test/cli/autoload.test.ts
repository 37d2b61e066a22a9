import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A directory that would like to be executed by whoever runs a command in it. */
test("no command loads .env or bunfig.toml of its working directory", () => {
  const at = mkdtempSync("/var/tmp/caisson-autoload-");
  const mark = join(at, "loaded");
  try {
    writeFileSync(join(at, "evil.ts"), `require("node:fs").writeFileSync(${JSON.stringify(mark)}, "")`);
    writeFileSync(join(at, "bunfig.toml"), 'preload = ["./evil.ts"]\n[run]\npreload = ["./evil.ts"]\n');
    writeFileSync(join(at, ".env"), `CAISSON_ROOT=${at}/root\nBUN_OPTIONS=--preload=./evil.ts\n`);
    for (const name of ["caisson", "caisson-oci"]) {
      const p = Bun.spawnSync([join(import.meta.dir, "../../dist", name), "--help"], { cwd: at });
      expect(p.exitCode).toBe(0);
    }
    expect(existsSync(mark)).toBe(false);
  } finally {
    rmSync(at, { recursive: true, force: true });
  }
});
