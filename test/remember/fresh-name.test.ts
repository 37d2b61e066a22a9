import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hostArch } from "../../src/kernel/arch.ts";
import { ProgramBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { executor } from "../../src/program/executor.ts";
import { link } from "../../src/program/link.ts";
import type { Program } from "../../src/program/types.ts";
import { stringArray, textBlock } from "../../src/program/values.ts";
import { withFreshName } from "../../src/remember/fresh-name.ts";

const NAME = "0123456789ab";

/** Says its name as a text, in a block twice, and by a command's argument; something else stays as it is. */
function program(): Program {
  const builder = new ProgramBuilder(hostArch());
  const s = builder.section("main");
  s.call(`say ${NAME}`, "write", [1, `${NAME} `, NAME.length + 1]);
  const twice = textBlock(`<${NAME}${NAME}> 0123456789aB `);
  s.call("say it twice", "write", [1, twice, twice.bytes.length]);
  const argv = stringArray("argv", ["echo", `/path/${NAME}/x`, "plain"]);
  s.call("say it by another", "execve", ["/bin/echo", argv, stringArray("envp", [])]);
  return builder.build();
}

function perform(p: Program): string {
  const dir = mkdtempSync(join(tmpdir(), "caisson-name-"));
  try {
    const file = join(dir, "program");
    writeFileSync(file, link(executor(), encode(p)), { mode: 0o755 });
    const { stdout, status } = spawnSync(file, { encoding: "utf8" });
    expect(status).toBe(0);
    return stdout;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const SAID = /^([0-9a-f]{12}) <\1\1> 0123456789aB \/path\/\1\/x plain\n$/;

test("each time another name, the same in all places, and nothing else is touched", () => {
  expect(perform(program())).toMatch(SAID);
  const fresh = withFreshName(program(), NAME);
  const names = Array.from({ length: 1000 }, () => SAID.exec(perform(fresh))?.[1] ?? "");
  // A host whose name is written as an address is would not be found.
  for (const name of names) expect(name).toMatch(/[a-f]/);
  expect(names).not.toContain(NAME);
  expect(new Set(names).size).toBe(names.length);
});

test("the program that it was made of is unchanged, and failures are said without the old name", () => {
  const old = program();
  const before = encode(old);
  const fresh = withFreshName(old, NAME);
  expect(Buffer.compare(encode(old), before)).toBe(0);
  expect(fresh.sections[0]?.steps.filter((s) => s.label.includes(NAME))).toEqual([]);
  expect(fresh.sections[0]?.steps.some((s) => s.label === "say chosen at random")).toBe(true);
});

test("a name of another length is refused", () => {
  expect(() => withFreshName(program(), "short")).toThrow("12 bytes");
});
