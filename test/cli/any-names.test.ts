/** Names of files are bytes, and directories are nested deeper than a path may be long: by archives of old, or by who means to annoy. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";

/** Each character a byte. */
const bytes = (text: string) => Buffer.from(text, "latin1");
const names = (directory: string) =>
  readdirSync(directory, { encoding: "buffer" })
    .map((n) => n.toString("latin1"))
    .sort();
/** By the shell, which takes words of any bytes where Bun does not. */
function shell(script: string) {
  const p = Bun.spawnSync(["sh"], { stdin: bytes(script), stdout: "pipe", stderr: "pipe" });
  return { code: p.exitCode, out: p.stdout.toString("latin1"), err: p.stderr.toString("latin1") };
}
const DEEP = 60;
/** Makes, in the working directory, a file and a link of such names, and directories of 6000 characters in each other. */
const MAKE = `perl -e 'open F, ">", "caf\\xe9"; print F "hi"; close F; symlink "t\\xe9", "l\\xff";
  for (1..${DEEP}) { mkdir "e" x 100; chdir "e" x 100 } open F, ">", "end"'`;

describe.skipIf(!isRoot)("names of any bytes, at any depth", () => {
  const at = mkdtempSync(join(tmpdir(), "caisson-names-"));
  let before: ReturnType<typeof leftovers>;
  beforeAll(async () => {
    await sh("run", "--", "true");
    before = await settled();
  });
  afterAll(async () => {
    rmSync(at, { recursive: true });
    expect(await settled()).toEqual(before);
  });

  test("words, variables and the working directory are what they were, from the first time on", () => {
    const directory = `${at}/caf\xe9`;
    mkdirSync(bytes(directory));
    const own = `own${Date.now() % 1e6}`;
    const said = `sh -c 'pwd; echo "$A $1"' x caf\xe9`;
    for (let i = 0; i < 3; i++)
      expect(shell(`cd '${directory}' && ${caisson} run --hostname ${own} -e A=caf\xe9 -- ${said}\n`)).toEqual({
        code: 0,
        err: "",
        out: `${directory}\ncaf\xe9 caf\xe9\n`,
      });
  });

  test("a container that was given before has them, too, and what is executed in it", async () => {
    const box = `own-words-${process.pid}`;
    const given = `${caisson} run -d --name ${box} -e A=caf\xe9 -- sh -c 'exec sleep 1000' x caf\xe9`;
    // From the third time on no JavaScript has a part in it.
    for (let i = 0; i < 3; i++) {
      expect(shell(`${given}\n`)).toMatchObject({ code: 0, err: "" });
      expect(shell(`${caisson} exec ${box} printenv A\n`)).toEqual({ code: 0, err: "", out: "caf\xe9\n" });
      expect((await sh("rm", "-f", box)).code).toBe(0);
    }
  });

  test("what is mounted at one is shown", () => {
    const point = `${at}/mounted\xe9`;
    mkdirSync(bytes(point));
    const mounted = `mount -t tmpfs tmpfs '${point}' && echo seen > '${point}/file'`;
    const r = shell(`${mounted} && ${caisson} run --workdir / -- cat '${point}/file'; umount '${point}'\n`);
    expect(r).toEqual({ code: 0, err: "", out: "seen\n" });
  });

  test("cp, to the container and back", async () => {
    const [source, back, box] = [join(at, "source"), join(at, "back"), `names-${process.pid}`];
    mkdirSync(source);
    execFileSync("sh", ["-c", MAKE], { cwd: source });
    expect((await sh("run", "-d", "--rm", "--name", box, "--", "sleep", "1000")).code).toBe(0);
    try {
      expect(await sh("cp", source, `${box}:/opt/there`)).toEqual({ code: 0, out: "", err: "" });
      expect(await sh("cp", `${box}:/opt/there`, back)).toEqual({ code: 0, out: "", err: "" });
    } finally {
      expect((await sh("rm", "-f", box)).code).toBe(0);
    }
    expect(names(back)).toEqual(names(source));
    expect(readFileSync(bytes(`${back}/caf\xe9`), "utf8")).toBe("hi");
    expect(readlinkSync(bytes(`${back}/l\xff`), { encoding: "buffer" })).toEqual(bytes("t\xe9"));
    expect(execFileSync("find", [back, "-name", "end"], { encoding: "utf8" }).length).toBeGreaterThan(DEEP * 100);
  });

  test("diff", async () => {
    const kept = `names-${process.pid}`;
    expect((await sh("run", "--keep", "--name", kept, "--workdir", "/opt", "--", "sh", "-c", MAKE)).code).toBe(0);
    const { out, err } = shell(`${caisson} diff ${kept}\n`);
    expect(err).toBe("");
    expect(out).toContain("A /opt/caf\xe9\n");
    expect(out).toContain(`${"e".repeat(100)}/end\n`);
    expect(await sh("rm", kept)).toMatchObject({ code: 0, err: "" });
  });

  test("control groups that a container makes: they are removed with it, and keep nobody from the next one", async () => {
    const script = `(for d in /sys/fs/cgroup /sys/fs/cgroup/*; do
      [ -e $d/cgroup.max.depth ] && (cd $d && perl -e 'for (1..200) { mkdir "d" and chdir "d" or last } print "$!\\n"')
      [ -e $d/cgroup.procs ] && cd $d && perl -e 'mkdir "caf\\xe9"; for (1..${DEEP}) { mkdir "e" x 100; chdir "e" x 100 }'; done; echo made) | LC_ALL=C sort -u`;
    expect(await sh("run", "--cgroups", "delegate", "--workdir", "/", "--", "sh", "-c", script)).toEqual({
      code: 0,
      out: "Resource temporarily unavailable\nmade\n",
      err: "",
    });
    expect(await sh("run", "--", "echo", "next")).toEqual({ code: 0, out: "next\n", err: "" });
  });
});
