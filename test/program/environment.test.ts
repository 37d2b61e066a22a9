import { afterAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArch } from "../../src/kernel/arch.ts";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { executor } from "../../src/program/executor.ts";
import { explainText } from "../../src/program/explain.ts";
import { link } from "../../src/program/link.ts";
import { environment } from "../../src/program/values.ts";

const dir = mkdtempSync(join(tmpdir(), "caisson-environment-"));
afterAll(() => rmSync(dir, { recursive: true }));

test("strings of the environment in their order, and none beyond the last", () => {
  const program = new ProgramBuilder(hostArch());
  const s = program.section("main");
  for (const [i, string] of ["A=1", "B=x y", "C="].entries())
    s.skipIf(environment(i), "same", string, () => s.exit(10 + i));
  for (const i of [3, 4, 0x7fffffff]) s.skipIf(environment(i), "==", 0, () => s.exit(20));
  s.exit(0);
  const built = program.build();
  expect(explainText(built)).toContain('if environ[1] same "B=x y", skip 1');
  const file = join(dir, "program");
  writeFileSync(file, link(executor(), encode(built)), { mode: 0o700 });
  const by = (env: Record<string, string>) => spawnSync(file, ["word"], { env }).status;
  expect(by({ A: "1", B: "x y", C: "" })).toBe(0);
  expect(by({ A: "1", B: "x y" })).toBe(12);
  expect(by({ A: "1", B: "x y", C: "", D: "4" })).toBe(20);
  expect(by({})).toBe(10);
});
