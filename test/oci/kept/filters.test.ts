import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Seccomp, Spec } from "../../../src/compile/spec.ts";
import { DIRECTORY } from "../../../src/remember/places.ts";
import { Bundle, shell } from "../../conformance/bundle.ts";
import { isRoot } from "../../helpers/machine.ts";

const why = isRoot ? "" : "needs root";

describe.skipIf(why !== "")(`filters that were assembled before${why && ` (skipped: ${why})`}`, () => {
  const forget = () => rmSync(DIRECTORY, { recursive: true, force: true });
  beforeEach(forget);
  afterAll(forget);

  const TRY = "mkdir /tmp/x 2>/dev/null && echo made; rmdir /tmp/x 2>/dev/null && echo removed; true";
  /** A profile that refuses these, with an errno. */
  const refusing = (names: readonly string[], errnoRet = 13): Seccomp => ({
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ names, action: "SCMP_ACT_ERRNO", errnoRet }],
  });
  const withProfile = (seccomp: object) => (s: Spec) => ({ ...s, linux: { ...s.linux, seccomp } });
  const filters = () => (existsSync(DIRECTORY) ? readdirSync(DIRECTORY).filter((n) => n.startsWith("filter-")) : []);
  const MKDIR = ["mkdir", "mkdirat"];
  const RMDIR = ["rmdir", "unlinkat"];
  /** Each in a bundle of its own, so that no program is kept. */
  function run(seccomp: object, args = shell(TRY)): string {
    using b = new Bundle(args, withProfile(seccomp));
    const r = b.call(["run", "--bundle", b.at, b.id]);
    expect(r).toMatchObject({ code: 0, err: "" });
    return r.out;
  }

  test("are used again for the same rules, and for no others, however alike", () => {
    const [mkdir, rmdir] = [refusing(MKDIR), refusing(["rmdir", "unlink", "x"].slice(0, 2))];
    expect(run(mkdir)).toBe("");
    const [name = "", ...more] = filters();
    expect(more).toEqual([]);
    const { mtimeMs } = statSync(join(DIRECTORY, name));
    expect(run(mkdir)).toBe("");
    expect(statSync(join(DIRECTORY, name)).mtimeMs).toBe(mtimeMs);
    // Two texts of one length take the place of each other.
    const length = (s: Seccomp) => JSON.stringify(s).length;
    const other = refusing(["rmdir", "rmdirxx"]);
    expect(length(other)).toBe(length(mkdir));
    for (let i = 0; i < 2; i++) {
      expect(run(other)).toBe("made\n");
      expect(run(mkdir)).toBe("");
    }
    expect(filters()).toEqual([name]);
    expect(run(rmdir)).toBe("made\n");
    expect(run(refusing(RMDIR))).toBe("made\n");
  });

  test("what is kept is what is loaded, if all of it is there", () => {
    const status = "rmdir /nothing 2>&1 | grep -o '[A-Z][a-z ]*$'";
    const [denied, busy] = [refusing(["rmdir", "unlinkat"], 13), refusing(["rmdir", "unlinkat"], 16)];
    const said = (profile: Seccomp) => run(profile, shell(status)).trim();
    expect(said(denied)).toBe("Permission denied");
    const [name = ""] = filters();
    const path = join(DIRECTORY, name);
    const first = readFileSync(path);
    expect(said(busy)).toContain("busy");
    const second = readFileSync(path);
    const head = (b: Buffer) => b.indexOf("\n") + 1;
    writeFileSync(path, Buffer.concat([first.subarray(0, head(first)), second.subarray(head(second))]));
    expect(said(denied)).toContain("busy");
    for (const broken of [first.subarray(0, -3), first.subarray(0, head(first)), Buffer.alloc(0), first.subarray(1)]) {
      writeFileSync(path, broken);
      expect(said(denied)).toBe("Permission denied");
    }
    expect(readFileSync(path)).toEqual(first);
  });

  test("an exec has that of its container; there are no more than some", () => {
    using b = new Bundle(["sleep", "1000"], withProfile(refusing(MKDIR)));
    expect(b.create().code).toBe(0);
    expect(b.call(["start", b.id]).code).toBe(0);
    const kept = filters();
    expect(kept).toHaveLength(1);
    expect(b.call(["exec", b.id, ...shell(TRY)])).toEqual({ code: 0, out: "", err: "" });
    expect(filters()).toEqual(kept);
    b.call(["delete", "--force", b.id]);
    for (let i = 0; i < 20; i++) run(refusing([...MKDIR, "x".repeat(i)]), ["true"]);
    expect(filters().length).toBeLessThanOrEqual(16);
  });
});
