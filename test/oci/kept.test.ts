import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Spec } from "../../src/compile/spec.ts";
import { DIRECTORY } from "../../src/remember/places.ts";
import { Bundle, type Change, processWith, runtime, shell } from "../conformance/bundle.ts";
import { environment, performInto, WITH_TOO_LITTLE } from "../helpers/alone.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const SECOND = 1000;

describe.skipIf(why !== "")(`create, run and exec that were given before${why && ` (skipped: ${why})`}`, () => {
  let before: ReturnType<typeof leftovers>;
  const forget = () => rmSync(DIRECTORY, { recursive: true, force: true });
  beforeAll(async () => {
    before = await settled();
  });
  beforeEach(forget);
  afterAll(async () => {
    forget();
    // What a test of killed commands may have left there, the next commands have removed.
    expect(await settled()).toEqual({ ...before, files: [] });
  });

  type Result = { readonly code: number | null; readonly out: string; readonly err: string };
  type How = { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly before?: string };
  let files: string;
  beforeAll(() => {
    files = mkdtempSync(join(tmpdir(), "caisson-kept-"));
  });
  afterAll(() => rmSync(files, { recursive: true }));
  const by = (words: readonly string[], o: How = {}) => performInto(files, words, { ...o, binary: runtime });
  const without = (words: readonly string[], o: How = {}) =>
    performInto(files, words, { ...o, binary: runtime }, WITH_TOO_LITTLE);
  /** An id as long as the others of a test, and new. */
  let count = 0;
  const id = () => `kept-${process.pid}-${String(count++).padStart(4, "0")}`;
  const line = (b: Bundle, ...words: string[]) => ["--root", b.state, ...words, "--bundle", b.at];
  /** By the engine, twice: then it is kept. */
  const given = (b: Bundle, ...words: string[]) => [by([...line(b, ...words), id()]), by([...line(b, ...words), id()])];
  const remove = (b: Bundle, name: string) => by(["--root", b.state, "delete", "--force", name]);
  const isKept = () => existsSync(DIRECTORY) && readdirSync(DIRECTORY).some((n) => /\.\d/.test(n));

  test("run: with its status and what it prints, by any id of that length, and nothing is left", () => {
    using b = new Bundle(shell("echo out; echo err >&2; exit 7"));
    expect(without([...line(b, "run"), id()]).code).not.toBe(7);
    const [first, second] = given(b, "run");
    expect(second).toEqual(first as Result);
    for (let i = 0; i < 5; i++) expect(without([...line(b, "run"), id()])).toEqual(first as Result);
    expect(first).toEqual({ code: 7, out: "out\n", err: "err\n" });
    expect(readdirSync(b.state)).toEqual([]);
    expect(without([...line(b, "run"), `${id()}x`]).code).not.toBe(7);
  });

  test("create: it is as any other, made now, and of its own id", async () => {
    using b = new Bundle(["sleep", "1000"]);
    const [a, c] = [id(), id()];
    for (const name of [a, c]) {
      expect(by([...line(b, "create"), name]).code).toBe(0);
      remove(b, name);
    }
    expect(isKept()).toBe(true);
    await Bun.sleep(2.5 * SECOND);
    const name = id();
    expect(without([...line(b, "create"), name]).code).toBe(0);
    const shown = by(["--root", b.state, "state", name]);
    const state = JSON.parse(shown.out) as Record<string, unknown>;
    expect(state).toMatchObject({ id: name, status: "created", bundle: b.at, rootfs: b.root });
    expect(Math.abs(Date.now() - Date.parse(String(state["created"])))).toBeLessThan(2 * SECOND);
    expect(JSON.parse(by(["--root", b.state, "list", "--format", "json"]).out)).toMatchObject([{ id: name }]);
    for (const file of ["state.json", "brief", "end", "labels"]) {
      const text = readFileSync(join(b.state, name, file), "latin1");
      expect([a, c, "=@:,"].filter((other) => text.includes(other))).toEqual([]);
    }
    expect(without(["--root", b.state, "start", name]).code).toBe(0);
    expect(by(["--root", b.state, "exec", name, "hostname"]).out).toBe("conformance\n");
    expect(without(["--root", b.state, "delete", "--force", name]).code).toBe(0);
    expect(readdirSync(b.state)).toEqual([]);
  });

  test("what the command has of its caller, and what of its configuration, is the same either way", () => {
    const script = `grep -v -e Pid -e ^Vm -e ^Rss -e ctxt -e ^SigQ /proc/self/status; cat /proc/self/limits; ls /proc/self/fd; env; umask; id
      cut -d' ' -f4- /proc/self/mountinfo | sed 's/[0-9][0-9]*//g'; cat /proc/self/oom_score_adj; pwd; ls -l /dev | sed 's/ [0-9][0-9]:[0-9][0-9] / /'; ls /`;
    const odd = `trap '' PIPE HUP; umask 077; ulimit -Sn 100; exec 3</etc/passwd 7</etc/hosts; exec nice -n 3`;
    const changes: Change[] = [
      (s) => s,
      processWith({
        cwd: "/tmp",
        user: { uid: 5, gid: 6, additionalGids: [7] },
        oomScoreAdj: 100,
        rlimits: [{ type: "RLIMIT_CORE", soft: 1, hard: 2 }],
      }),
      (s) => ({
        ...s,
        root: { path: "rootfs", readonly: true },
        linux: {
          ...s.linux,
          readonlyPaths: ["/proc/sys"],
          resources: { pids: { limit: 9 }, memory: { limit: 64 << 20 } },
        },
      }),
      (s) => ({
        ...s,
        mounts: [
          ...(s.mounts ?? []),
          { destination: "/data", type: "bind", source: "/etc", options: ["rbind", "ro"] },
          { destination: "/new/one", type: "tmpfs", source: "tmpfs" },
        ],
      }),
      (s) => ({
        ...s,
        linux: {
          ...s.linux,
          namespaces: [
            ...(["pid", "mount", "uts"] as const).map((type) => ({ type })),
            { type: "network", path: "/proc/self/ns/net" },
            { type: "ipc", path: "/proc/self/ns/ipc" },
          ],
        },
      }),
    ];
    for (const change of changes) {
      forget();
      using b = new Bundle(shell(script), change);
      // What is not there for a mount is made the first time.
      by([...line(b, "run"), id()]);
      const [engine, second, executor] = [1, 2, 3].map(() => by([...line(b, "run"), id()], { before: odd }));
      expect(second).toEqual(engine as Result);
      expect(engine).toMatchObject({ code: 0, err: "" });
      expect(isKept()).toBe(true);
      expect(executor).toEqual(engine as Result);
    }
  });

  test("what goes wrong is said as the engine says it", () => {
    const cases: [args: string[], change?: Change][] = [
      [["nothing-of-this-name"]],
      [["/etc/passwd"]],
      [["true"], processWith({ cwd: "/etc/passwd" })],
      [["true"], (s) => ({ ...s, linux: { ...s.linux, sysctl: { "net.no.such": "1" } } })],
    ];
    for (const [args, change] of cases) {
      forget();
      using b = new Bundle(args, change);
      const log = join(b.at, "log");
      const words = ["--root", b.state, "--log", log, "--log-format", "json", "run", "--bundle", b.at];
      const outcomes = [1, 2, 3].map(() => {
        const name = id();
        rmSync(log, { force: true });
        const r = by([...words, name]);
        const { level, msg } = JSON.parse(readFileSync(log, "utf8")) as Record<string, string>;
        return JSON.stringify({ ...r, level, msg }).replaceAll(name, "ID");
      });
      expect(isKept()).toBe(true);
      expect(outcomes[1]).toBe(outcomes[0] as string);
      expect(outcomes[2]).toBe(outcomes[0] as string);
      expect(readdirSync(b.state)).toEqual([]);
    }
  });

  test("an id that is taken, or none at all, is the engine's to refuse", () => {
    using b = new Bundle(["sleep", "1000"]);
    const [taken, other] = [id(), id()];
    for (const name of [taken, other]) by([...line(b, "create"), name]);
    expect(isKept()).toBe(true);
    remove(b, other);
    const again = by([...line(b, "create"), taken]);
    expect(again.code).toBe(1);
    expect(again.err).toContain("container with given ID already exists");
    const at = (text: string) => text.padEnd(taken.length, "x");
    for (const bad of [at("../"), at("a/../"), at('"'), at("\\"), at(" "), at("\n"), at("é"), at("a\u0001")]) {
      expect(without([...line(b, "create"), bad]).code).not.toBe(0);
      expect(by([...line(b, "create"), bad]).err).toContain("is not a container id");
    }
    expect(readdirSync(b.state)).toEqual([taken]);
    remove(b, taken);
  });

  describe("what it was made of changes", () => {
    const misses = (b: Bundle, o: How = {}) => expect(without([...line(b, "run"), id()], o).code).not.toBe(0);
    const hits = (b: Bundle) => expect(without([...line(b, "run"), id()]).code).toBe(0);
    const config = (b: Bundle): Spec => JSON.parse(readFileSync(join(b.at, "config.json"), "utf8")) as Spec;

    test("the configuration, by a letter", () => {
      using b = new Bundle(shell("echo first"));
      given(b, "run");
      hits(b);
      b.write(JSON.stringify(config(b)).replace("first", "other"));
      misses(b);
      expect(by([...line(b, "run"), id()]).out).toBe("other\n");
      expect(by([...line(b, "run"), id()]).out).toBe("other\n");
      expect(without([...line(b, "run"), id()]).out).toBe("other\n");
      b.write(`${JSON.stringify(config(b))} `);
      misses(b);
      rmSync(join(b.at, "config.json"));
      misses(b);
    });

    test("the root filesystem: a mount point becomes a link, or is gone; users, a working directory, the root itself", () => {
      using b = new Bundle(["true"], processWith({ cwd: "/data" }));
      given(b, "run");
      hits(b);
      const changes: [path: string, change: (path: string) => void][] = [
        ["dev", (p) => symlinkSync("tmp", p)],
        ["dev", () => {}],
        ["dev", (p) => writeFileSync(p, "")],
        ["etc", (p) => symlinkSync("tmp", p)],
        ["etc/passwd", (p) => writeFileSync(p, "root:x:0:0:root:/tmp:/bin/sh\n")],
        ["data", () => {}],
        ["", (p) => symlinkSync("elsewhere", p)],
      ];
      for (const [path, change] of changes) {
        const at = join(b.root, path).replace(/\/$/, "");
        const aside = join(b.at, "aside");
        renameSync(at, aside);
        change(at);
        misses(b);
        rmSync(at, { recursive: true, force: true });
        renameSync(aside, at);
        // A file that was away has another time of its last change.
        if (path === "etc/passwd") given(b, "run");
        hits(b);
      }
    });

    test("a link on the way to the root filesystem; one that leads to another is followed each time", () => {
      using b = new Bundle(["cat", "/data/which"], (s) => ({ ...s, root: { path: "link" } }));
      const [link, other] = [join(b.at, "link"), join(b.at, "other")];
      cpSync(b.root, other, { recursive: true, verbatimSymlinks: true });
      for (const root of [b.root, other]) writeFileSync(join(root, "data/which"), root);
      const lead = (to: string) => {
        rmSync(link, { force: true });
        symlinkSync(to, link);
      };
      lead("rootfs");
      expect(given(b, "run").map((r) => r.out)).toEqual([b.root, b.root]);
      expect(without([...line(b, "run"), id()]).out).toBe(b.root);
      lead("other");
      misses(b);
      expect(by([...line(b, "run"), id()]).out).toBe(other);
      forget();
      symlinkSync("other", join(b.at, "between"));
      lead("between");
      expect(given(b, "run").map((r) => r.out)).toEqual([other, other]);
      expect(isKept()).toBe(false);
    });

    test("a source that is bound", () => {
      using b = new Bundle(["true"], (s) => ({
        ...s,
        mounts: [...(s.mounts ?? []), { destination: "/data", type: "bind", source: "source", options: ["bind"] }],
      }));
      const source = join(b.at, "source");
      mkdirSync(source);
      given(b, "run");
      hits(b);
      rmdirSync(source);
      misses(b);
      writeFileSync(source, "");
      misses(b);
    });

    test("the caller: its directory, its groups, its capabilities, its streams, its environment, and who it is", () => {
      using b = new Bundle(["true"]);
      given(b, "run");
      hits(b);
      misses(b, { cwd: "/tmp" });
      misses(b, { env: { ...environment, NOTIFY_SOCKET: "/run/nobody" } });
      misses(b, { env: { ...environment, LISTEN_FDS: "0" } });
      for (const before of [
        "exec unshare --cgroup --uts",
        "exec setpriv --bounding-set -chown",
        "exec setpriv --regid 1 --clear-groups",
        "exec setpriv --reuid 65534",
        "exec unshare --user --map-root-user",
        `exec unshare --mount sh -c 'mount -t tmpfs none ${b.root} && exec "$@"' sh`,
        `exec unshare --mount sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"' sh`,
        "exec 0<&-; exec",
        "exec 2>&-; exec",
      ])
        misses(b, { before });
      hits(b);
    });
  });

  test("a file for the pid may have another name, as engines give it", () => {
    using b = new Bundle(["sleep", "1000"]);
    const create = (n: number) => {
      const name = id();
      const file = join(b.at, `pid-${n}`);
      return { name, file, words: [...line(b, "create", "--pid-file", file), name] };
    };
    for (const n of [1, 2]) {
      const { name, words } = create(n);
      expect(by(words).code).toBe(0);
      remove(b, name);
    }
    const { name, file, words } = create(3);
    expect(without(words).code).toBe(0);
    const { pid } = JSON.parse(by(["--root", b.state, "state", name]).out) as { pid: number };
    expect(readFileSync(file, "utf8")).toBe(String(pid));
    expect(
      readdirSync(b.at)
        .filter((n) => n.startsWith("pid-"))
        .sort(),
    ).toEqual(["pid-1", "pid-2", "pid-3"]);
    remove(b, name);
    expect(without([...line(b, "create", "--pid-file", join(b.at, "pid-long")), id()]).code).not.toBe(0);
  });

  test("a log is made where there is none, and one that cannot be is an error either way", () => {
    using b = new Bundle(["true"]);
    const log = join(b.at, "log");
    const words = ["--root", b.state, "--log", log, "run", "--bundle", b.at];
    for (const _ of [1, 2]) expect(by([...words, id()]).code).toBe(0);
    rmSync(log);
    expect(without([...words, id()]).code).toBe(0);
    expect(existsSync(log)).toBe(true);
    rmSync(log);
    mkdirSync(log);
    expect(by([...words, id()]).err).toContain("--log");
  });

  test("what looks at more of the machine is not kept", () => {
    const changes: Change[] = [
      (s) => ({ ...s, hooks: { poststop: [{ path: "/bin/true" }] } }),
      (s) => ({
        ...s,
        mounts: [...(s.mounts ?? []), { destination: "/etc", type: "tmpfs", source: "t", options: ["tmpcopyup"] }],
      }),
      (s) => ({
        ...s,
        linux: {
          ...s.linux,
          namespaces: [...(s.linux?.namespaces ?? []), { type: "user" }],
          uidMappings: [{ containerID: 0, hostID: 0, size: 1000 }],
          gidMappings: [{ containerID: 0, hostID: 0, size: 1000 }],
        },
      }),
      processWith({ capabilities: { bounding: ["CAP_OF_NOBODY"] } }),
    ];
    for (const change of changes) {
      forget();
      using b = new Bundle(["true"], change);
      expect(given(b, "run").map((r) => r.code)).toEqual([0, 0]);
      expect(isKept()).toBe(false);
    }
    forget();
    using b = new Bundle(["true"]);
    const name = id();
    symlinkSync(b.at, `${b.at}-${name}`);
    for (const _ of [1, 2])
      expect(by(["--root", b.state, "run", "--bundle", `${b.at}-${name}`, name])).toMatchObject({ code: 0 });
    rmSync(`${b.at}-${name}`);
    // It is as an engine's, and this is no name for once.
    expect(isKept()).toBe(false);
    for (const option of ["--debug", "--systemd-cgroup=false", "--rootless=true"]) {
      const words = ["--root", b.state, option, "run", "--bundle", b.at];
      for (const _ of [1, 2]) by([...words, id()]);
      expect(isKept()).toBe(false);
    }
  });

  describe("exec", () => {
    let b: Bundle;
    const PROCESS = {
      args: shell("echo $GREETING; exit 4"),
      cwd: "/",
      env: ["PATH=/bin", "GREETING=hello"],
      user: { uid: 0, gid: 0 },
    };
    const create = () => {
      expect(by([...line(b, "create"), b.id]).code).toBe(0);
      expect(by(["--root", b.state, "start", b.id]).code).toBe(0);
    };
    const exec = (...words: string[]) => ["--root", b.state, "exec", ...words];
    beforeAll(() => {
      b = new Bundle(["sleep", "1000"]);
      create();
    });
    afterAll(() => b[Symbol.dispose]());

    test("with words, and what the process has is the same either way", () => {
      const script = `grep -v -e Pid -e ^Tgid -e ^NS -e ^Vm -e ^Rss -e ctxt -e ^SigQ /proc/self/status; cat /proc/self/limits; ls /proc/self/fd; env; umask; id
        cat /proc/self/cgroup; pwd; exit 5`;
      const words = exec("--cwd", "/tmp", "--env", "A=b", b.id, "sh", "-c", script);
      const [engine, second, executor] = [by(words), by(words), by(words)];
      expect(isKept()).toBe(true);
      expect(second).toEqual(engine);
      expect(engine).toMatchObject({ code: 5, err: "" });
      expect(executor).toEqual(engine);
    });

    test("with a file, whatever its name, and another one for the pid", () => {
      const file = (n: number) => join(b.at, `process-${n}`);
      const words = (n: number) => exec("--process", file(n), "--pid-file", join(b.at, `pid-${n}`), b.id);
      for (const n of [1, 2, 3]) writeFileSync(file(n), JSON.stringify(PROCESS));
      for (const n of [1, 2]) expect(by(words(n))).toEqual({ code: 4, out: "hello\n", err: "" });
      // Engines make a directory for each.
      for (const cwd of ["/", "/tmp"]) expect(without(words(3), { cwd })).toEqual({ code: 4, out: "hello\n", err: "" });
      expect(readFileSync(join(b.at, "pid-3"), "utf8")).toMatch(/^\d+$/);
      writeFileSync(file(3), JSON.stringify(PROCESS).replace("hello", "other"));
      expect(without(words(3)).code).not.toBe(4);
      expect(by(words(3)).out).toBe("other\n");
      expect(without(exec("--process", join(b.at, "nothing"), "--pid-file", join(b.at, "pid-3"), b.id)).code).not.toBe(
        4,
      );
    });

    test("with names from the working directory it is the engine's", () => {
      writeFileSync(join(b.at, "process"), JSON.stringify(PROCESS));
      for (const words of [exec("--process", "process", b.id), ["--log", "log", ...exec(b.id, "true")]]) {
        forget();
        for (const _ of [1, 2]) expect(by(words, { cwd: b.at }).err).toBe("");
        expect(isKept()).toBe(false);
      }
    });

    test("a command that is not there is said as the engine says it", () => {
      const words = exec(b.id, "nothing-of-this-name");
      const [engine, second, executor] = [by(words), by(words), by(words)];
      expect(isKept()).toBe(true);
      expect(second).toEqual(engine);
      expect(executor).toEqual(engine);
      expect(engine.err).toContain("executable file not found in $PATH");
    });

    test("not in one that is paused, has changed its limits' note, or is another of that name", async () => {
      const words = exec(b.id, "true");
      const kept = () => {
        for (const _ of [1, 2]) expect(by(words).code).toBe(0);
        expect(without(words).code).toBe(0);
      };
      kept();
      expect(by(["--root", b.state, "pause", b.id]).code).toBe(0);
      expect(without(words).code).not.toBe(0);
      expect(by(words).err).toContain("cannot exec in a paused container");
      expect(by(["--root", b.state, "resume", b.id]).code).toBe(0);
      kept();
      remove(b, b.id);
      expect(by(words).err).toContain("does not exist");
      create();
      expect(without(words).code).not.toBe(0);
      kept();
      expect(by(["--root", b.state, "kill", b.id, "KILL"]).code).toBe(0);
      await b.until("stopped");
      expect(without(words).code).not.toBe(0);
      expect(by(words).err).toContain("stopped");
      remove(b, b.id);
      create();
    });
  });
});
