import { describe, expect, test } from "bun:test";
import { readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

const shell = (line: string) => ["sh", "-c", line];

/** A bundle beside which a link `link` leads to `file`, mounted at a destination with these words. */
function bound(
  command: readonly string[],
  destination: string,
  options: readonly string[],
  prepare?: (b: Bundle) => void,
) {
  const b = new Bundle([...command]);
  writeFileSync(join(b.at, "file"), "told\n");
  symlinkSync("file", join(b.at, "link"));
  prepare?.(b);
  const mount = { destination, type: "bind", source: join(b.at, "link"), options: ["bind", ...options] };
  b.rewrite((spec) => ({ ...spec, mounts: [...(spec.mounts ?? []), mount] }));
  return b;
}

describe.skipIf(!isRoot)("mounts of links: words of crun's", () => {
  test("without a word the link is followed", () => {
    using b = bound(shell("cat /there; test -L /there || echo file"), "/there", []);
    expect(b.run()).toMatchObject({ code: 0, out: "told\nfile\n" });
  });

  test("copy-symlink: a link like it, in directories that are made", () => {
    using b = bound(shell("readlink /a/b/there; grep -c there /proc/self/mountinfo"), "/a/b/there", ["copy-symlink"]);
    expect(b.run()).toMatchObject({ out: "file\n0\n" });
    expect(readlinkSync(join(b.root, "a/b/there"))).toBe("file");
    // It is there already, which is as good.
    expect(b.run()).toMatchObject({ out: "file\n0\n" });
  });

  test("copy-symlink: another link, or a file, in its place is an error and stays", () => {
    using b = bound(["true"], "/there", ["copy-symlink"], ({ root }) => symlinkSync("elsewhere", join(root, "there")));
    expect(b.run()).toMatchObject({ code: 1, err: expect.stringContaining("make the link /there: file exists") });
    expect(readlinkSync(join(b.root, "there"))).toBe("elsewhere");
    using f = bound(["true"], "/there", ["copy-symlink"], ({ root }) => writeFileSync(join(root, "there"), "mine"));
    expect(f.run()).toMatchObject({ code: 1, err: expect.stringContaining("read the link /there: invalid argument") });
    expect(readFileSync(join(f.root, "there"), "utf8")).toBe("mine");
  });

  test("copy-symlink of a link to nothing; a bind mount of one is an error by its name", () => {
    for (const [options, expected] of [
      [["copy-symlink"], { code: 0, out: "nowhere\n" }],
      [[], { code: 1, err: expect.stringContaining("link, to bind on /there: no such file or directory") }],
    ] as const) {
      using b = bound(["readlink", "/there"], "/there", options);
      rmSync(join(b.at, "link"));
      symlinkSync("nowhere", join(b.at, "link"));
      expect(b.run()).toMatchObject(expected);
    }
  });

  test("copy-symlink of what is no link is a mount", () => {
    using b = bound(shell("cat /there"), "/there", ["copy-symlink"]);
    const text = readFileSync(join(b.at, "config.json"), "utf8").replace(`${b.at}/link`, `${b.at}/file`);
    writeFileSync(join(b.at, "config.json"), text);
    expect(b.run()).toMatchObject({ code: 0, out: "told\n" });
  });

  test("src-nofollow and dest-nofollow: a link on a link, and what that leads to is not touched", () => {
    using b = bound(shell("readlink /there; cat /other"), "/there", ["src-nofollow", "dest-nofollow"], ({ root }) => {
      writeFileSync(join(root, "other"), "untouched\n");
      symlinkSync("other", join(root, "there"));
    });
    expect(b.run()).toMatchObject({ code: 0, out: "file\nuntouched\n" });
  });

  test("dest-nofollow of a link to nothing makes nothing", () => {
    using b = bound(shell("cat /there; ls /"), "/there", ["src-nofollow", "dest-nofollow"], ({ root }) =>
      symlinkSync("/nowhere", join(root, "there")),
    );
    expect(b.run().out).not.toContain("nowhere");
  });
});
