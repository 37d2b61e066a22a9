import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveInRoot, textInRoot } from "../../src/host/in-root.ts";
import { placeMounts } from "../../src/host/mount-points.ts";

describe("paths in a root filesystem", () => {
  let root: string;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "caisson-in-root-"));
    for (const d of ["etc", "usr/lib", "run/real"]) mkdirSync(join(root, d), { recursive: true });
    writeFileSync(join(root, "etc/passwd"), "");
    for (const [target, at] of [
      ["usr/lib", "lib"],
      ["/run/real", "etc/absolute"],
      ["../../../../../etc", "out"],
      ["../run/none/resolv.conf", "etc/resolv.conf"],
      ["resolv.conf", "etc/twice"],
      ["self", "self"],
      ["/nowhere", "etc/nowhere"],
    ] as const)
      symlinkSync(target, join(root, at));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test("links are followed, and none leads out", () => {
    for (const [path, real] of [
      ["/etc/passwd", "/etc/passwd"],
      ["/lib/x", "/usr/lib/x"],
      ["/etc/absolute", "/run/real"],
      ["/out/passwd", "/etc/passwd"],
      ["/../../etc/../lib", "/usr/lib"],
      ["/etc/resolv.conf", "/run/none/resolv.conf"],
      ["/etc/twice", "/run/none/resolv.conf"],
      ["/etc/nowhere/deep", "/nowhere/deep"],
      ["/not/there", "/not/there"],
      ["/self", "/self"],
    ] as const)
      expect(resolveInRoot(root, path)).toBe(real);
  });

  const mountPlace = (root: string, path: string, before: readonly string[], type = "tmpfs") =>
    placeMounts(
      root,
      [...before, path].map((destination) => ({ destination, type })),
    ).at(-1)?.destination;

  test("a mount point is elsewhere only if it is a link to nothing, of which something can be known", () => {
    for (const path of ["/etc/passwd", "/lib", "/etc/absolute", "/not/there"])
      expect(mountPlace(root, path, [])).toBe(path);
    expect(mountPlace(root, "/etc/resolv.conf", [])).toBe("/run/none/resolv.conf");
    expect(mountPlace(root, "/etc/resolv.conf", ["/proc"])).toBe("/run/none/resolv.conf");
    for (const type of ["proc", "sysfs"])
      expect(mountPlace(root, "/etc/resolv.conf", [], type)).toBe("/etc/resolv.conf");
    for (const above of ["/etc", "/run", "/run/none"])
      expect(mountPlace(root, "/etc/resolv.conf", [above])).toBe("/etc/resolv.conf");
  });

  test("the text of a file, and of nothing else: what is out of the root, a pipe, a device or without end is not read", () => {
    const at = join(root, "etc/known");
    writeFileSync(at, "text\n");
    symlinkSync(at, join(root, "etc/out-and-back"));
    symlinkSync("/etc/hostname", join(root, "etc/outside"));
    execFileSync("mkfifo", [join(root, "etc/pipe")]);
    symlinkSync("/dev/zero", join(root, "etc/zero"));
    expect(textInRoot(root, "etc/known")).toBe("text\n");
    expect(textInRoot(root, "etc/out-and-back")).toBe("text\n");
    for (const name of ["etc/outside", "etc/pipe", "etc/zero", "etc", "etc/none"])
      expect(textInRoot(root, name)).toBeUndefined();
    truncateSync(at, 2 ** 32);
    expect(() => textInRoot(root, "etc/known")).toThrow("etc/known of the root filesystem: it is larger than 16 MiB");
  });
});
