import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { checksOf, DIRECTORY } from "../../src/remember/places.ts";
import { alone, environment } from "../helpers/alone.ts";
import { caisson } from "../helpers/command.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const STATE = "/run/caisson/containers";
const SECOND = 1000;

async function settledProcess(pid: number): Promise<void> {
  for (let i = 0; i < 200 && existsSync(`/proc/${pid}`); i++) await Bun.sleep(10);
}

describe.skipIf(why !== "")(`a run that was given before${why && ` (skipped: ${why})`}`, () => {
  let dir: string;
  let before: ReturnType<typeof leftovers>;
  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "caisson-remembered-"));
    before = await settled();
  });
  afterAll(async () => {
    rmSync(dir, { recursive: true });
    forget();
    expect(await settled()).toEqual(before);
  });

  const options = () => ({
    ...{ cwd: dir, env: environment, encoding: "utf8" as const },
    stdio: ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"],
  });
  const once = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(caisson, ["run", ...words], options());
    return { code: status, out: stdout, err: stderr };
  };
  /** By the engine, where it is not remembered yet. The second time, it is. */
  const first = (...words: string[]) => {
    once(...words);
    return once(...words);
  };
  const again = (words: readonly string[], o: Parameters<typeof alone>[1] = {}) =>
    alone(["run", ...words], { cwd: dir, ...o });
  const forget = () => rmSync(DIRECTORY, { recursive: true, force: true });
  /** What is kept is for the options of a line, whatever its command. */
  const checks = (words: readonly string[]) =>
    checksOf({ cwd: undefined, names: [], words: ["run", ...words.slice(0, words.indexOf("--") + 1)] });
  const kept = (...words: string[]) => existsSync(checks(words)) && statSync(checks(words)).size > 0;

  test("one that is given once is only noted; of those there are no more than some, too", () => {
    forget();
    expect(once("--", "true", "once").code).toBe(0);
    expect(kept("--", "true", "once")).toBe(false);
    expect(again(["--", "true", "once"]).code).not.toBe(0);
    for (let i = 0; i < 300; i++) {
      const path = join(DIRECTORY, String(i));
      writeFileSync(path, "");
      utimesSync(path, i, i);
    }
    once("--rm", "--", "true");
    const names = readdirSync(DIRECTORY).map(Number);
    expect(names.length).toBe(128);
    expect(names).toContain(299);
    expect(names).not.toContain(150);
    forget();
  });

  test("is performed without an engine, under a name of its own, and leaves nothing", () => {
    const words = ["--", "sh", "-c", "hostname; ls /run; exit 3"];
    expect(again(words).code).not.toBe(3);
    const name = first(...words);
    expect(name).toMatchObject({ code: 3, err: "" });
    expect(kept(...words)).toBe(true);
    const others = Array.from({ length: 5 }, () => again(words));
    for (const o of others) {
      expect(o).toMatchObject({ code: 3, err: "" });
      expect(o.out).toMatch(/^[0-9a-f]{12}\n$/);
    }
    expect(new Set([name, ...others].map((o) => o.out)).size).toBe(6);
  });

  test("with other values in its environment, which nothing of it is kept; PATH is looked into", async () => {
    const words = (a: string, b = "x") => [
      "-e",
      "EARLIER=1",
      "-e",
      `A=${a}`,
      "--env",
      `B=${b}`,
      "-e",
      `EARLIER=${a}`,
      "--",
    ];
    const command = ["sh", "-c", 'echo "$A|$B|$EARLIER|$HOME"'];
    const line = (a: string, b?: string) => [...words(a, b), ...command];
    expect(first(...line("secret 1")).out).toBe("secret 1|x|secret 1|/root\n");
    const odd = "secret = 2\n é";
    for (const [a, b] of [
      [odd, ""],
      ["", "3"],
      ["x".repeat(10_000), "4"],
    ] as const)
      expect(again(line(a, b))).toMatchObject({ code: 0, out: `${a}|${b}|${a}|/root\n`, err: "" });
    for (const name of readdirSync(DIRECTORY))
      expect(readFileSync(join(DIRECTORY, name)).includes("secret")).toBe(false);
    // Another name, and a word that gives no value, are another line.
    expect(again(["-e", "C=1", "--", ...command]).code).not.toBe(0);
    expect(again([...words("1").with(1, "EARLIER"), ...command]).code).not.toBe(0);

    const searched = (path: string) => ["-e", `PATH=${path}`, "--", "printenv", "PATH"];
    expect(first(...searched("/usr/bin")).out).toBe("/usr/bin\n");
    expect(again(searched("/usr/bin")).out).toBe("/usr/bin\n");
    expect(again(searched("/nowhere")).code).not.toBe(0);
    expect(once(...searched("/nowhere"))).toMatchObject({ code: 127 });
  });

  test("what has its environment from its supervisor gives it to those that are executed in it", async () => {
    const name = `environment-${process.pid}`;
    const line = (value: string) => ["--name", name, "-e", `A=${value}`, "-e", "B=b", "--", "sleep", "60"];
    const ended = () => spawnSync(caisson, ["kill", name], { env: environment });
    for (const by of ["engine", "second", "front"]) {
      const child = spawn(caisson, ["run", ...line(by)], { cwd: dir, env: environment, stdio: "ignore" });
      const running = () =>
        spawnSync(caisson, ["exec", name, "sh", "-c", 'echo "$A $B"'], { env: environment, encoding: "utf8" });
      let said = running();
      for (let i = 0; i < 200 && said.status !== 0; i++, said = running()) await Bun.sleep(20);
      expect(said.stdout).toBe(`${by} b\n`);
      const [shown] = JSON.parse(execFileSync(caisson, ["inspect", name], { env: environment, encoding: "utf8" }));
      expect(shown.spec.process.env).toContain(`A=${by}`);
      expect(readFileSync(join(STATE, name, "state.json"), "utf8").includes(`A=${by}`)).toBe(by === "engine");
      ended();
      await new Promise((resolve) => child.on("exit", resolve));
    }
  });

  test("beside other containers that run; beside those that have ended once an engine has seen them; not when one is to be removed", async () => {
    const name = (n: number) => `beside-${process.pid}-${n}`;
    const words = ["--", "echo", "beside"];
    const by = (how: "front" | "engine") => {
      const r = again(words);
      if (how === "front") expect(r).toMatchObject({ code: 0, out: "beside\n" });
      else expect(r.code).not.toBe(0);
    };
    expect(first(...words).out).toBe("beside\n");
    const ended = (n: number) => {
      expect(once("-d", "--name", name(n), "--", "true").code).toBe(0);
      spawnSync(caisson, ["wait", name(n)], { env: environment });
    };
    // As many supervisors as directories.
    for (const n of [1, 3]) {
      expect(once("-d", "--rm", "--name", name(n), "--", "sleep", "100").code).toBe(0);
      by("front");
    }
    ended(2);
    by("engine");
    expect(once(...words).out).toBe("beside\n");
    by("front");
    by("front");
    // One more, another in the place of one, one less.
    ended(4);
    by("engine");
    once(...words);
    by("front");
    execFileSync(caisson, ["rm", name(2)], { env: environment });
    ended(2);
    by("engine");
    once(...words);
    by("front");
    execFileSync(caisson, ["rm", name(2)], { env: environment });
    by("engine");
    execFileSync(caisson, ["rm", name(4)], { env: environment });
    by("front");
    ended(2);
    once(...words);
    // One whose supervisor is killed leaves what the next run removes.
    const { supervisor } = JSON.parse(
      execFileSync(caisson, ["inspect", name(1)], { env: environment, encoding: "utf8" }),
    )[0];
    process.kill(supervisor, "SIGKILL");
    await settledProcess(supervisor);
    by("engine");
    expect(existsSync(join(STATE, name(1)))).toBe(true);
    once(...words);
    expect(existsSync(join(STATE, name(1)))).toBe(false);
    by("front");
    for (const n of [2, 3]) execFileSync(caisson, ["rm", "--force", name(n)], { env: environment });
    once(...words);
    by("front");
    // Notes of groups are no container.
    const notes = join(STATE, ".groups");
    const made = mkdirSync(notes, { recursive: true });
    once(...words);
    by("front");
    if (made) rmdirSync(notes);
  });

  test("its state is as that of any other while it runs", async () => {
    const words = ["--", "sh", "-c", "hostname; read line"];
    first(...words);
    // It was compiled long before.
    await new Promise((r) => setTimeout(r, 3 * SECOND));
    const known = new Set(existsSync(STATE) ? readdirSync(STATE) : []);
    const p = spawn(caisson, ["run", ...words], { cwd: dir, env: environment, stdio: ["pipe", "pipe", "inherit"] });
    const name = await new Promise<string>((resolve) => p.stdout.once("data", (d) => resolve(String(d).trim())));
    expect(readdirSync(STATE).filter((n) => !known.has(n))).toContain(name);
    const shown = JSON.parse(execFileSync(caisson, ["inspect", name], { env: environment, encoding: "utf8" }));
    expect(JSON.stringify(shown)).toContain(name);
    const said = execFileSync(caisson, ["exec", name, "hostname"], { env: environment, encoding: "utf8" });
    expect(said).toBe(`${name}\n`);
    const age = Date.now() - Date.parse(shown.createdAt ?? shown[0]?.createdAt);
    expect(Math.abs(age)).toBeLessThan(2 * SECOND);
    p.stdin.end("\n");
    await new Promise((resolve) => p.once("exit", resolve));
    expect(existsSync(join(STATE, name))).toBe(false);
  });

  test("what the command has of its caller is the same either way", () => {
    const script = `grep -v -e Pid -e ^Vm -e ^Rss -e ctxt -e ^SigQ /proc/self/status; cat /proc/self/limits; ls /proc/self/fd; env; umask
      cat /proc/self/cgroup; cut -d' ' -f4- /proc/self/mountinfo | sed 's/[0-9][0-9]*//g'; nice; cat /proc/self/oom_score_adj`;
    const words = ["--name", `same-${process.pid}`, "--memory", "100M", "--", "sh", "-c", script];
    const odd = `trap '' PIPE HUP; umask 077; ulimit -Sn 100; exec 3</etc/passwd 7</etc/hosts 20</etc/group; exec nice -n 3`;
    const by = () => {
      const { stdout, stderr, status } = spawnSync(
        "bash",
        ["-c", `${odd} "$@"`, "bash", caisson, "run", ...words],
        options(),
      );
      return { stdout, stderr, status };
    };
    forget();
    const [engine, second, executor] = [by(), by(), by()];
    expect(second).toEqual(engine);
    expect(engine).toMatchObject({ status: 0, stderr: "" });
    expect(executor).toEqual(engine);
    expect(kept(...words)).toBe(true);
  });

  test("what goes wrong is said as the engine says it", () => {
    for (const words of [
      ["--", "nothing-of-this-name"],
      ["--workdir", "/no/such/place", "--", "true"],
      ["--timeout", "0.2", "--", "sleep", "10"],
      ["--memory", "20M", "--", "tail", "/dev/zero"],
      ["--", "sh", "-c", "kill -9 $$"],
    ]) {
      forget();
      const [one, two] = [once(...words), once(...words)];
      expect(kept(...words)).toBe(true);
      expect(two).toEqual(one);
      expect(once(...words)).toEqual(one);
    }
  });

  describe("with another command", () => {
    const options = ["--env", "ANY=command"];
    const both = (how: typeof again, ...command: string[]) => {
      const given = [...options, "--", ...command];
      expect(kept(...given)).toBe(true);
      const executor = how(given);
      forget();
      const engine = once(...given);
      first(...options, "--", "true");
      return { executor, engine };
    };
    beforeAll(() => {
      first(...options, "--", "true");
      const script = join(dir, "script");
      writeFileSync(script, '#!/bin/sh\necho "$0" "$#"\n', { mode: 0o755 });
      writeFileSync(join(dir, "plain"), "no program\n");
    });

    test("its words arrive as they are", () => {
      for (const command of [
        ["printf", "[%s]", "", "two words", "quote\"s '", "ünï", "--", "-x", "a\nb"],
        ["sh", "-c", "echo $ANY $#; exit 9", "sh", "1", "2"],
        ["/bin/echo", "by path"],
        ["./script", "relative"],
      ]) {
        const { executor, engine } = both(again, ...command);
        expect(executor).toEqual(engine);
        expect(executor.err).toBe("");
      }
    });

    test("what is wrong with it is said with its name", () => {
      for (const command of [["nothing-of-this-name"], ["/no/path"], ["./plain"], [""], ["/"], ["x".repeat(300)]]) {
        // What it failed with is put into words by the engine.
        const { executor, engine } = both((line) => once(...line), ...command);
        expect(executor).toEqual(engine);
        expect(executor.code).toBeGreaterThan(125);
      }
    });

    test("without -- in between, an option is none", () => {
      first("--env", "NO=dashes", "true");
      expect(again(["--env", "NO=dashes", "sh", "-c", "echo $NO"])).toMatchObject({ code: 0, out: "dashes\n" });
      expect(again(["--env", "NO=dashes", "--rm", "true"]).code).not.toBe(0);
      expect(once("--env", "NO=dashes", "--rm", "echo", "by the engine")).toMatchObject({ out: "by the engine\n" });
    });

    test("more words than can be handed on are the engine's", () => {
      const many = (n: number) => [...options, "--", "echo", ...Array<string>(n).fill("x")];
      expect(again(many(61))).toMatchObject({ code: 0, out: `${Array(61).fill("x").join(" ")}\n` });
      expect(again(many(62)).code).not.toBe(0);
      expect(once(...many(62)).out).toBe(`${Array(62).fill("x").join(" ")}\n`);
    });

    test("it is what others see of the container", async () => {
      const p = spawn(caisson, ["run", ...options, "--", "sh", "-c", "hostname; read line", "a b"], {
        ...{ cwd: dir, env: environment, stdio: ["pipe", "pipe", "inherit"] },
      });
      const name = await new Promise<string>((done) => p.stdout?.once("data", (d) => done(String(d).trim())));
      const shown = execFileSync(caisson, ["inspect", name], { env: environment, encoding: "utf8" });
      expect(shown).toContain("a b");
      expect(execFileSync(caisson, ["ps"], { env: environment, encoding: "utf8" })).toContain("read line");
      expect(execFileSync(caisson, ["exec", name, "echo", "in"], { env: environment, encoding: "utf8" })).toBe("in\n");
      p.stdin?.end("\n");
      await new Promise((resolve) => p.once("exit", resolve));
    });
  });

  const words = ["--", "true"];
  const misses = (o: Parameters<typeof alone>[1]) => expect(again(words, o).code).not.toBe(0);

  test("other words, and another root of all state, are something else", () => {
    first(...words);
    expect(again(words).code).toBe(0);
    for (const other of [["--"], ["--", "tru"], ["true"], ["--rm", "--", "true"], ["--rm", "true"]])
      expect(again(other).code).not.toBe(0);
    misses({ env: { ...environment, CAISSON_ROOT: dir } });
    expect(again(words).code).toBe(0);
  });

  test("another directory is where it is then; as the engine has it, and as it is noted", async () => {
    first("--", "pwd");
    expect(again(["--", "pwd"]).out).toBe(`${dir}\n`);
    const below = join(dir, "be low, {and} on");
    mkdirSync(below);
    expect(again(["--", "pwd"], { cwd: below })).toMatchObject({ code: 0, out: `${below}\n`, err: "" });
    // The container has a /run of its own.
    const elsewhere = mkdtempSync("/run/caisson-test-");
    const r = spawnSync(caisson, ["run", "--", "pwd"], { ...options(), cwd: elsewhere });
    rmdirSync(elsewhere);
    expect(r.status).toBe(125);
    expect(r.stderr).toStartWith(`caisson: enter the working directory ${elsewhere}: ENOENT (no such directory`);
    const p = spawn(caisson, ["run", "--", "cat"], {
      cwd: below,
      env: environment,
      stdio: ["pipe", "pipe", "inherit"],
    });
    p.stdin?.write("\n");
    await new Promise((done) => p.stdout?.once("data", done));
    const [noted] = readdirSync(STATE).filter((name) => name !== ".groups");
    expect(JSON.parse(readFileSync(join(STATE, noted ?? "", "state.json"), "utf8")).spec.process.cwd).toBe(below);
    p.stdin?.end();
    await new Promise((done) => p.once("exit", done));
  });

  test("what looks like a place for the directory is none", () => {
    const line = ["--label", String.raw`cwd=\u0000here`, "--label", '"cwd":"', "--", "pwd"];
    expect(first(...line)).toMatchObject({ code: 0, out: `${dir}\n`, err: "" });
    expect(again(line)).toMatchObject({ code: 0, out: `${dir}\n`, err: "" });
  });

  test("a directory whose name cannot be said as it is, or is not there any more, is the engine's", () => {
    for (const name of ['"quoted"', "back\\slash", "tab\t", "ü"]) {
      const odd = join(dir, name);
      mkdirSync(odd);
      misses({ cwd: odd });
      const r = spawnSync(caisson, ["run", "--", "pwd"], { ...options(), cwd: odd });
      expect(r).toMatchObject({ status: 0, stdout: `${odd}\n`, stderr: "" });
    }
    misses({ before: `cd ${dir}; mkdir gone; cd gone; rmdir ../gone; exec` });
  });

  test("where words depend on the directory, it is for that one alone", () => {
    const [one, two] = ["one", "two"].map((name) => join(dir, name)) as [string, string];
    for (const d of [one, two]) {
      mkdirSync(d);
      writeFileSync(join(d, "file"), `${d}\n`);
    }
    const line = ["-v", "./:/mnt", "--", "cat", "/mnt/file"];
    const at = (cwd: string) => spawnSync(caisson, ["run", ...line], { ...options(), cwd }).stdout;
    for (const d of [one, one]) expect(at(d)).toBe(`${d}\n`);
    expect(again(line, { cwd: one }).out).toBe(`${one}\n`);
    expect(again(line, { cwd: two }).code).not.toBe(0);
    expect(at(two)).toBe(`${two}\n`);
    for (const d of [one, two]) cpSync("/bin/busybox", join(d, "sh"));
    for (const root of [".", ".:O"]) {
      const rooted = ["--rootfs", root, "--", "/sh", "-c", "cat /file"];
      for (const d of [one, one, two]) {
        const r = spawnSync(caisson, ["run", ...rooted], { ...options(), cwd: d });
        expect(r).toMatchObject({ status: 0, stdout: `${d}\n`, stderr: "" });
      }
      expect(again(rooted, { cwd: one }).out).toBe(`${one}\n`);
      expect(again(rooted, { cwd: two }).code).not.toBe(0);
    }
    // Said in full it is the same everywhere; so is what has a place of its own.
    const full = ["-v", `${one}:/mnt`, "-w", "/usr", "--", "sh", "-c", "pwd; cat /mnt/file"];
    first(...full);
    expect(again(full, { cwd: "/" }).out).toBe(`/usr\n${one}\n`);
  });

  test("so is a machine on which something changed that the program was made of", () => {
    expect(again(words).code).toBe(0);
    misses({ before: `exec unshare --mount sh -c 'mount -t tmpfs none ${dir} && exec "$@"' sh` });
    misses({ before: "exec unshare --cgroup --uts" });
    misses({ before: "exec setpriv --bounding-set -chown" });
    misses({ before: "exec setpriv --regid 1 --clear-groups" });
    misses({ before: "exec 0<&-; exec" });
    misses({ before: "exec 2>&-; exec" });
    const systemd = "/run/systemd/system";
    if (!existsSync(systemd)) {
      mkdirSync(systemd, { recursive: true });
      try {
        misses({});
      } finally {
        rmdirSync(systemd);
      }
    }
    expect(again(words).code).toBe(0);
  });

  test("and another build of the command, or the same at another place", () => {
    const copy = join(dir, "caisson");
    execFileSync("cp", ["--reflink=auto", caisson, copy]);
    for (const _ of [1, 2]) spawnSync(copy, ["run", ...words], options());
    expect(again(words, { binary: copy }).code).toBe(0);
    misses({});
    utimesSync(copy, 1, 1);
    misses({ binary: copy });
    rmSync(copy);
    first(...words);
    expect(again(words).code).toBe(0);
  });

  test("a source of a volume, a root and a user: each is looked at again", () => {
    const [source, root] = [join(dir, "source"), join(dir, "root")];
    mkdirSync(source);
    for (const d of ["bin", "etc", "proc", "dev", "sys"]) mkdirSync(join(root, d), { recursive: true });
    execFileSync("cp", ["/bin/busybox", join(root, "bin/sh")]);
    writeFileSync(join(root, "etc/passwd"), "one:x:7:8::/home:/bin/sh\n");
    const line = ["-v", `${source}:/mnt`, "--rootfs", root, "-u", "one", "--", "/bin/sh", "-c", "id -u"];
    // The first run makes the mount point in the root.
    expect(first(...line)).toMatchObject({ code: 0, out: "7\n", err: "" });
    expect(again(line)).toMatchObject({ code: 0, out: "7\n", err: "" });
    writeFileSync(join(root, "etc/passwd"), "one:x:9:8::/home:/bin/sh\n");
    expect(again(line).code).not.toBe(0);
    expect(first(...line)).toMatchObject({ code: 0, out: "9\n" });
    expect(again(line)).toMatchObject({ code: 0, out: "9\n" });
    rmSync(source, { recursive: true });
    expect(again(line).code).not.toBe(0);
    expect(first(...line).err).toContain("an existing file or directory");
    writeFileSync(source, "text");
    expect(again(line).code).not.toBe(0);
  });

  test("a link to a root or to a source leads where it does then; to a root by way of another it is the engine's", () => {
    const at = join(dir, "linked");
    for (const name of ["one", "two"]) {
      for (const d of ["bin", "proc", "dev", "sys", "mnt"]) mkdirSync(join(at, name, d), { recursive: true });
      cpSync("/bin/busybox", join(at, name, "bin/sh"));
      writeFileSync(join(at, name, "which"), name);
    }
    const lead = (link: string, to: string) => {
      rmSync(join(at, link), { force: true });
      symlinkSync(to, join(at, link));
    };
    for (const root of ["root", "root:O"]) {
      const line = [
        "-v",
        join(at, "source:/mnt"),
        "--rootfs",
        join(at, root),
        "--",
        "/bin/sh",
        "-c",
        "cat /which /mnt/which",
      ];
      lead("root", "one");
      lead("source", "one");
      expect(first(...line)).toMatchObject({ code: 0, out: "oneone" });
      expect(again(line).out).toBe("oneone");
      lead("source", "two");
      expect(again(line).out).toBe("onetwo");
      lead("root", "two");
      expect(again(line).code).not.toBe(0);
      expect(first(...line)).toMatchObject({ code: 0, out: "twotwo" });
      lead("between", "one");
      lead("root", "between");
      expect(first(...line)).toMatchObject({ code: 0, out: "onetwo" });
      expect(again(line).code).not.toBe(0);
    }
  });

  test("limits are felt, and the groups are gone", () => {
    const line = [
      "--memory",
      "64M",
      "--pids-limit",
      "3",
      "--",
      "sh",
      "-c",
      "for i in 1 2 3 4 5; do sleep 1 & done; wait",
    ];
    first(...line);
    const { err } = again(line);
    expect(err).toMatch(/fork/i);
  });

  test("what looks at more of the machine, or at its caller, is not kept", () => {
    const file = join(dir, "env");
    writeFileSync(file, "A=b\n");
    for (const line of [
      ["--env", "HOME", "--", "true"],
      ["--env-file", file, "--", "true"],
      ["--json", "--", "true"],
      ["--tty", "--", "true"],
      ["--device", "/dev/fuse", "--", "true"],
      ["--cgroups", "delegate", "--", "true"],
      ["--profile", "untrusted", "--", "true"],
      ["--cpuset-cpus", "0", "--", "true"],
    ]) {
      first(...line);
      expect(kept(...line)).toBe(false);
    }
  });

  test("no more than some are kept, and each once: those that were not used for the longest time go, but none that is in use", () => {
    forget();
    const MOST = 64;
    const line = (i: number | string) => ["--label", `I=${i}`, "--", "true"];
    const names = () => readdirSync(DIRECTORY).filter((n) => n !== "swept");
    const isKept = (i: number) => kept(...line(i));
    for (let i = 0; i < MOST; i++) first(...line(i));
    first(...line("new"));
    expect(kept(...line("new"))).toBe(false);
    for (let i = 0; i < MOST; i++)
      utimesSync(checks(line(i)), Date.now() / SECOND - 100 - i, Date.now() / SECOND - 100 - i);
    expect(again(line(MOST - 1)).code).toBe(0);
    once(...line("new"));
    expect(kept(...line("new"))).toBe(true);
    expect(names().filter((n) => /^\d+$/.test(n)).length).toBe(MOST);
    expect(names().length).toBe(2 * MOST);
    expect([isKept(MOST - 1), isKept(MOST - 2), isKept(MOST - 3)]).toEqual([true, false, true]);
    expect(again(line(0)).code).toBe(0);
    expect(again(line(MOST - 2)).code).not.toBe(0);
  }, 240_000);

  test("what a killed supervisor left is not for long", async () => {
    first(...words);
    const p = spawn(caisson, ["run", "--", "sleep", "1000"], { cwd: dir, env: environment, stdio: "ignore" });
    const mine = () =>
      (existsSync(STATE) ? readdirSync(STATE) : []).filter((n) => {
        const started = join(STATE, n, "started");
        return existsSync(started) && readFileSync(started).readInt32LE(8) === p.pid;
      });
    while (mine().length === 0) await new Promise((r) => setTimeout(r, 5));
    const [name = ""] = mine();
    p.kill("SIGKILL");
    await new Promise((resolve) => p.once("exit", resolve));
    expect(existsSync(join(STATE, name))).toBe(true);
    await new Promise((r) => setTimeout(r, 2 * SECOND));
    misses({});
    first(...words);
    expect(existsSync(join(STATE, name))).toBe(false);
    expect(again(words).code).toBe(0);
  });

  test("its program cannot be written to from the container (CVE-2019-5736)", () => {
    const script = "[ -w /proc/1/exe ] && echo writable; echo x >> /proc/1/exe || true";
    const line = ["--init", "--cap-add", "SYS_PTRACE", "--", "sh", "-c", script];
    // A file of its own, which is gone already, and one that others will execute.
    expect(first(...line).out).toBe("writable\n");
    expect(kept(...line)).toBe(true);
    const file = readdirSync(DIRECTORY).find((n) => n.startsWith(`${basename(checks(line))}.`));
    const before = readFileSync(join(DIRECTORY, file ?? ""));
    expect(again(line)).toMatchObject({ code: 0, out: "" });
    expect(Buffer.compare(readFileSync(join(DIRECTORY, file ?? "")), before)).toBe(0);
  });
});
