import { afterEach, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "../helpers/machine.ts";

const UID = 64_321;
const AT = `/tmp/caisson-${UID}`;
afterEach(() => rmSync(AT, { recursive: true, force: true }));

/** Where a user without a runtime directory has state. */
function stateOf(): string {
  // Loaded first: the sources may be where that user has no way to.
  const script = `const { places } = await import(${JSON.stringify(join(import.meta.dir, "../../src/host/places.ts"))}); process.setegid(${UID}); process.seteuid(${UID}); console.log(places().state)`;
  const { PATH = "", HOME = "/" } = process.env;
  const env = { PATH, HOME };
  const { stdout, stderr } = Bun.spawnSync([process.execPath, "-e", script], { env });
  return `${stdout}${/CaissonError: .*/.exec(stderr.toString())?.[0] ?? ""}`.trim();
}

test.skipIf(!isRoot)("what a user has in /tmp is made as his own, and found again", () => {
  for (let i = 0; i < 2; i++) expect(stateOf()).toBe(`${AT}/containers`);
  expect(existsSync(AT)).toBe(true);
});

const refused = `CaissonError: ${AT}: somebody else made it, or may write to it (CAISSON_ROOT names another place)`;
for (const [what, make] of [
  ["somebody else's directory", () => mkdirSync(AT, { mode: 0o777 })],
  [
    "a directory that others may write to",
    () => {
      mkdirSync(AT);
      chownSync(AT, UID, UID);
      chmodSync(AT, 0o770);
    },
  ],
  ["a link", () => symlinkSync("/var/tmp", AT)],
] as const)
  test.skipIf(!isRoot)(`${what} of that name is not used`, () => {
    make();
    expect(stateOf()).toBe(refused);
  });
