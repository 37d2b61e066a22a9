import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { caisson } from "../helpers/command.ts";
import { rounds } from "../helpers/emulated.ts";
import { isRoot } from "../helpers/machine.ts";

/** On a file system that can be the upper layer of another. */
const parent = process.env["CAISSON_ROOT"] ?? "/var/lib";

describe.skipIf(!isRoot)("what is kept of a container", () => {
  let root: string;
  beforeAll(() => {
    mkdirSync(parent, { recursive: true });
    root = mkdtempSync(join(parent, "caisson-kept-"));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const sh = (...words: string[]) => {
    const env = { ...process.env, CAISSON_ROOT: root };
    const r = Bun.spawnSync([caisson, ...words], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    return { code: r.exitCode, out: String(r.stdout), err: String(r.stderr) };
  };
  const places = () => {
    const data = join(root, "data/containers");
    return existsSync(data) ? readdirSync(data) : [];
  };
  const until = async (done: () => boolean) => {
    for (let i = 0; i < 1000 && !done(); i++) await Bun.sleep(20);
    expect(done()).toBe(true);
  };
  /** As a boot does it: /run is empty then. */
  const boot = () => rmSync(join(root, "state"), { recursive: true });

  test("is there after a boot: its log, its changes and how it ended; its name is taken until it is removed", () => {
    expect(sh("run", "--keep", "--name", "build", "--", "touch", "/opt/made").code).toBe(0);
    expect(sh("run", "-d", "--name", "service", "--", "sh", "-c", "echo said; exit 4").code).toBe(0);
    expect(sh("wait", "service").out).toBe("4\n");
    expect(sh("run", "-d", "--name", "killed", "--", "sh", "-c", "echo began; exec sleep 1000").code).toBe(0);
    expect(sh("kill", "killed").code).toBe(0);
    sh("wait", "killed");
    rmSync(join(root, "data/containers/killed/ended"));
    boot();
    const lines = sh("ps", "--all").out.split("\n").slice(1, -1);
    expect(lines.map((l) => l.split(/\s{2,}/).slice(0, 2)).sort()).toEqual([
      ["build", "exited (0)"],
      ["killed", "lost"],
      ["service", "exited (4)"],
    ]);
    expect(sh("ps").out.split("\n")).toHaveLength(2);
    expect(sh("logs", "service")).toEqual({ code: 0, out: "said\n", err: "" });
    expect(sh("logs", "killed").out).toBe("began\n");
    expect(sh("diff", "build").out).toBe("A /opt/made\n");
    expect(sh("wait", "service").out).toBe("4\n");
    expect(JSON.parse(sh("inspect", "build").out)[0]).toMatchObject({ name: "build", status: "exited", exitCode: 0 });
    expect(sh("exec", "service", "true").err).toContain("not running");
    for (const [how, name] of [
      ["-d", "service"],
      ["--keep", "build"],
    ] as const) {
      const again = sh("run", how, "--name", name, "--", "true");
      expect(again).toMatchObject({ code: 125, err: expect.stringContaining("there already; caisson rm removes it") });
    }
    expect(sh("diff", "build").out).toBe("A /opt/made\n");
    expect(sh("rm", "service", "build", "killed").code).toBe(0);
    expect(places()).toEqual([]);
    expect(sh("run", "-d", "--rm", "--name", "service", "--", "true").code).toBe(0);
    sh("wait", "service");
  });

  test("is nothing with --rm, once it has ended; until then its changes are told", async () => {
    expect(sh("run", "--keep", "--rm", "--name", "short", "--", "touch", "/opt/made").code).toBe(0);
    expect(places()).toEqual([]);
    expect(
      sh("run", "-d", "--keep", "--rm", "--name", "long", "--", "sh", "-c", "touch /opt/made; sleep 1000"),
    ).toMatchObject({ code: 0 });
    for (const more of [["--json"], ["--view"]])
      expect(sh("run", ...more, "--keep", "--rm", "--name", "other", "--", "touch", "/opt/made").code).toBe(0);
    expect(places()).toEqual(["long"]);
    await until(() => sh("diff", "long").out === "A /opt/made\n");
    expect(sh("stop", "-t", "0", "long").code).toBe(0);
    await until(() => places().length === 0);
    expect(sh("ps", "--all").out.split("\n")).toHaveLength(2);
  });

  test("is nothing of what did not start", () => {
    for (const how of ["-d", "--keep"]) {
      expect(sh("run", how, "--name", "never", "--", "/no/such/program").code).toBe(127);
      expect(places()).toEqual([]);
    }
  });

  test("is nobody else's with --rm: who is refused its name, or takes it at once, removes nothing of it", async () => {
    const start = (...command: string[]) => sh("run", "-d", "--keep", "--rm", "--name", "next", "--", ...command);
    for (let i = 0; i < rounds(20); i++) {
      expect(start("true").code).toBe(0);
      while (start("sh", "-c", "touch /opt/made; exec sleep 1000").code !== 0) await Bun.sleep(1);
      expect(start("true").err).toContain("there already");
      await until(() => sh("diff", "next").out === "A /opt/made\n");
      expect(sh("ps").out).toContain("next");
      expect(sh("rm", "-f", "next").code).toBe(0);
    }
    expect(places()).toEqual([]);
  });

  test("is all of it where its log filled the disk", () => {
    const data = join(root, "data");
    mkdirSync(data, { recursive: true });
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "mode=700,size=64k", "none", data]).exitCode).toBe(0);
    try {
      expect(sh("run", "-d", "--name", "full", "--", "cat", "/dev/zero").code).toBe(0);
      expect(sh("wait", "full").out).toBe("1\n");
      expect(sh("ps", "--all").out).toContain("exited (1)");
      expect(sh("logs", "full").out.length).toBeGreaterThan(4096);
      expect(sh("rm", "full").code).toBe(0);
      expect(places()).toEqual([]);
    } finally {
      Bun.spawnSync(["umount", data]);
    }
  });

  test("of which nothing is known is removed by its name", () => {
    mkdirSync(join(root, "data/containers/unknown"), { recursive: true });
    expect(sh("rm", "unknown")).toEqual({ code: 0, out: "", err: "" });
    expect(places()).toEqual([]);
    expect(sh("rm", "unknown")).toMatchObject({ code: 125, err: expect.stringContaining("no container is named") });
    expect(sh("rm", "../containers").code).toBe(125);
  });

  test("is of a name that another gave up a moment ago", async () => {
    let failed = "";
    const start = () => sh("run", "-d", "--name", "again", "--", "echo", "said");
    for (let i = 0; i < rounds(20); i++) {
      expect(start().code).toBe(0);
      const env = { ...process.env, CAISSON_ROOT: root };
      const removed = Bun.spawn([caisson, "rm", "-f", "again"], { env, stdio: ["ignore", "ignore", "ignore"] });
      // Until its name is free it is refused by it, and never for want of a place for its log.
      for (let r = start(); r.code !== 0; r = start()) {
        if (!r.err.includes("there already")) failed = r.err;
        if (failed) break;
      }
      await removed.exited;
      sh("rm", "-f", "again");
    }
    expect(failed).toBe("");
    expect(places()).toEqual([]);
  });
});
