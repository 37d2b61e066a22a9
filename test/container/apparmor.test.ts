/** AppArmor's profiles (apparmor.d(5)), where the kernel has them: the virtual machine's does. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bundle } from "../conformance/bundle.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const SECURITY = "/sys/kernel/security";
const enabled =
  existsSync("/sys/module/apparmor/parameters/enabled") &&
  readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y");
const parser = "/usr/sbin/apparmor_parser";
const why = !isRoot
  ? "needs root"
  : !enabled
    ? "AppArmor is not enabled in this kernel"
    : !existsSync(parser)
      ? "apparmor_parser is not installed"
      : "";

/** Everything but one file, and no other profile for what is executed. */
const PROFILE = "caisson-test";
const text = `profile ${PROFILE} flags=(attach_disconnected, mediate_deleted) {
  file,
  capability,
  network,
  signal,
  mount,
  umount,
  ptrace,
  deny /etc/secret r,
}
`;

describe.skipIf(why !== "")(`AppArmor${why && ` (skipped: ${why})`}`, () => {
  let at: string;
  let file: string;
  const isOurs = !existsSync(join(SECURITY, "apparmor"));
  const parse = (...words: string[]) => {
    const r = spawnSync(parser, [...words, "--skip-cache", file], { encoding: "utf8" });
    expect([r.status, r.stderr]).toEqual([0, ""]);
  };
  beforeAll(() => {
    at = mkdtempSync(join(tmpdir(), "caisson-apparmor-"));
    file = join(at, "profile");
    if (isOurs) expect(spawnSync("mount", ["-t", "securityfs", "none", SECURITY]).status).toBe(0);
    writeFileSync(file, text);
    parse("--add");
  });
  afterAll(() => {
    parse("--remove");
    if (isOurs) spawnSync("umount", [SECURITY]);
    rmSync(at, { recursive: true });
  });

  const look = "cat /proc/self/attr/current; echo text > /etc/other && cat /etc/other /etc/secret";
  const denied = { code: 1, out: `${PROFILE} (enforce)\ntext\n`, err: expect.stringContaining("Permission denied") };

  test("the command has the profile, and what is executed beside it", async () => {
    const secret = join(at, "secret");
    writeFileSync(secret, "secret\n");
    const given = ["--volume", `${secret}:/etc/secret`, "--security-opt", `apparmor=${PROFILE}`];
    // The second time, and the third, what was kept of it is performed.
    for (let i = 0; i < 3; i++) expect(await sh("run", ...given, "--", "sh", "-c", look)).toMatchObject(denied);
    expect(await sh("run", "--volume", `${secret}:/etc/secret`, "--", "cat", "/etc/secret")).toMatchObject({
      out: "secret\n",
    });
    const name = `apparmor-${process.pid}`;
    expect((await sh("run", "-d", "--name", name, ...given, "--", "sleep", "600")).code).toBe(0);
    expect(await sh("exec", name, "sh", "-c", look)).toMatchObject(denied);
    await sh("rm", "--force", name);
  });

  test("one that is not loaded is refused", async () => {
    const r = await sh("run", "--security-opt", "apparmor=no-such-profile", "--", "true");
    expect(r).toMatchObject({ code: 125, out: "" });
    expect(r.err).toBe(
      "caisson: be labelled exec no-such-profile: ENOENT (AppArmor has no such profile loaded (apparmor_parser(8)))\n",
    );
  });

  test("an engine's container, and what it executes", () => {
    using b = new Bundle(["sh", "-c", look], (s) => ({
      ...s,
      root: { path: "rootfs" },
      process: { ...s.process, args: ["sh", "-c", look], apparmorProfile: PROFILE },
    }));
    writeFileSync(join(b.root, "etc/secret"), "secret\n");
    expect(b.call(["run", "--bundle", b.at, b.id])).toMatchObject(denied);
    b.rewrite((s) => ({ ...s, process: { ...s.process, args: ["sleep", "600"], cwd: "/" } }));
    expect(b.create().code).toBe(0);
    expect(b.start().code).toBe(0);
    const state = JSON.parse(b.call(["state", b.id]).out) as { pid: number };
    expect(readFileSync(`/proc/${state.pid}/attr/current`, "utf8")).toBe(`${PROFILE} (enforce)\n`);
    expect(b.call(["exec", b.id, "sh", "-c", look])).toMatchObject(denied);
    expect(b.call(["exec", "--apparmor", "unconfined", b.id, "cat", "/etc/secret"]).out).toBe("secret\n");
    b.call(["delete", "--force", b.id]);
  });
});
