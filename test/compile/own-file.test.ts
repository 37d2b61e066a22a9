import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { keepWritersOff } from "../../src/compile/own-file.ts";
import { hostArch } from "../../src/kernel/arch.ts";
import { AT_FDCWD, F, F_SEAL_ALL } from "../../src/kernel/flags.ts";
import { ProgramBuilder, type SectionBuilder } from "../../src/program/builder.ts";
import { encode } from "../../src/program/encode.ts";
import { executor } from "../../src/program/executor.ts";
import { link } from "../../src/program/link.ts";
import { argument, environment, stringArray } from "../../src/program/values.ts";

/** Kernels that hold writers off and those that do not cannot both be here: which file is tried is the test's to say. */
let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "caisson-own-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Performs the steps, and then says by which file it was executed, and with which word and environment. */
function perform(write: (s: SectionBuilder) => void): string {
  const program = new ProgramBuilder(hostArch());
  const s = program.section("main");
  write(s);
  const argv = stringArray("argv", ["sh", "-c", "readlink /proc/$PPID/exe; echo $0 $1", "", ""]);
  for (const [i, text] of [argument(1), environment(0)].entries()) s.store(text, argv, 8 * (3 + i), 8);
  const command = program.section("command");
  command.call("say it", "execve", ["/bin/sh", argv, stringArray("envp", ["PATH=/bin:/usr/bin"])]);
  const pid = s.spawn("start it", command);
  s.call("wait for it", "wait4", [pid, 0, 0, 0]);
  const file = join(dir, "program");
  writeFileSync(file, link(executor(), encode(program.build())), { mode: 0o755 });
  const { stdout, status } = spawnSync(file, ["word"], { encoding: "utf8", env: { A: "1" }, timeout: 10_000 });
  expect(status).toBe(0);
  return stdout.trim().replaceAll("\n", " ");
}

test("where nobody can write to the file, the process goes on in it", () => {
  expect(perform((s) => keepWritersOff(s))).toMatch(/\/program word A=1$|^\/memfd/);
  expect(perform((s) => keepWritersOff(s, "/no/such/file"))).toBe(`${join(dir, "program")} word A=1`);
});

test("where somebody could, it begins again as a copy, with its words and its environment, once", () => {
  const [first, second, third] = ["first", "second", "third"].map((n) => join(dir, n)) as [string, string, string];
  writeFileSync(first, "");
  const move = (s: SectionBuilder, from: string, to: string) =>
    s.call("move it on", "renameat2", [AT_FDCWD, from, AT_FDCWD, to, 0], { ignore: ["ENOENT"] });
  // The file that is tried is there the first time only.
  const said = perform((s) => {
    move(s, second, third);
    move(s, first, second);
    keepWritersOff(s, second);
  });
  expect(said).toBe("/memfd:caisson (deleted) word A=1");
});

test("a copy that is sealed can be opened for writing, and is left as it is", () => {
  const said = perform((s) => {
    const copy = s.get("make a file in memory", "memfd_create", ["other", 2]);
    s.call("put it at a number that is known", "dup3", [copy, 9, 0]);
    s.call("seal it", "fcntl", [9, F.ADD_SEALS, F_SEAL_ALL]);
    keepWritersOff(s, "/proc/self/fd/9");
  });
  expect(said).toBe(`${join(dir, "program")} word A=1`);
});
