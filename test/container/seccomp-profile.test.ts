import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../src/index.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const scratch = mkdtempSync(join(tmpdir(), "caisson-seccomp-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const profile = {
  defaultAction: "SCMP_ACT_ALLOW",
  syscalls: [
    { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 18, excludes: { caps: ["CAP_SYS_ADMIN"] } },
  ],
} as const;
const command = ["sh", "-c", "mkdir /made && echo made"];

test.skipIf(!isRoot)("a rule of an engine's file holds for whom it is meant", async () => {
  const without = await run(command, { seccomp: profile });
  expect([without.stdout, without.stderr]).toEqual(["", expect.stringContaining("ross-device link")]);
  expect((await run(command, { seccomp: profile, capAdd: ["SYS_ADMIN"] })).stdout).toBe("made\n");
});

test.skipIf(!isRoot)("the same from a file, by the command", async () => {
  const file = join(scratch, "profile.json");
  writeFileSync(file, JSON.stringify(profile));
  const by = (...words: string[]) => sh("run", "--security-opt", `seccomp=${file}`, ...words, "--", ...command);
  expect((await by()).err).toContain("ross-device link");
  expect((await by("--cap-add", "SYS_ADMIN")).out).toBe("made\n");
});

test("what is no profile is refused in a sentence", async () => {
  const file = join(scratch, "bad.json");
  const by = () => sh("run", "--security-opt", `seccomp=${file}`, "true");
  expect(await by()).toMatchObject({ code: 125, err: expect.stringContaining("a file that can be read") });
  writeFileSync(file, "nope");
  expect(await by()).toMatchObject({
    code: 125,
    err: expect.stringMatching(/^caisson: --security-opt seccomp: .* is not a file of JSON \(.*\)\n$/),
  });
  writeFileSync(file, '{"foo":1}');
  expect(await by()).toMatchObject({ code: 125, err: "caisson: seccomp: defaultAction: required, but missing\n" });
  await expect(run(["true"], { seccomp: "none" as never })).rejects.toThrow('seccomp: "none" is not "default"');
});
