import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { randomBytes, randomUUID } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Spec } from "../../src/compile/spec.ts";
import { DIRECTORY } from "../../src/remember/places.ts";
import { type Change, makeRoot, runtime, shell, specOf } from "../conformance/bundle.ts";
import { environment, performInto, WITH_TOO_LITTLE } from "../helpers/alone.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
type Result = { readonly code: number | null; readonly out: string; readonly err: string };

/** Names as engines give them. */
const hex = (length: number) => randomBytes(length / 2).toString("hex");

describe.skipIf(why !== "")(`bundles that an engine makes one like the other${why && ` (skipped: ${why})`}`, () => {
  let before: ReturnType<typeof leftovers>;
  let at: string;
  let root: string;
  const forget = () => rmSync(DIRECTORY, { recursive: true, force: true });
  beforeAll(async () => {
    before = await settled();
    at = mkdtempSync(join(tmpdir(), "caisson-kept-engine-"));
    root = makeRoot(at);
  });
  beforeEach(forget);
  afterAll(async () => {
    rmSync(at, { recursive: true });
    forget();
    expect(await settled()).toEqual({ ...before, files: [] });
  });

  /** As podman and Docker do: a directory and a root of its own for each, named by ids, and the id wherever it is of use. */
  function engine(args: readonly string[], change: Change = (s) => s) {
    const id = hex(64);
    const bundle = join(at, "containers", id, "userdata");
    const layer = join(at, "layers", hex(64), "merged");
    for (const d of [bundle, layer]) mkdirSync(d, { recursive: true });
    cpSync(root, layer, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true });
    const files = ["hosts", "hostname", "resolv.conf"].map((name) => join(bundle, name));
    for (const file of files) writeFileSync(file, `${file}\n`);
    const binds = files.map((source) => ({
      ...{ destination: `/etc/${source.split("/").at(-1)}`, type: "bind", source },
      options: ["bind", "rprivate"],
    }));
    // A map of Go's.
    binds.sort(() => Math.random() - 0.5);
    const spec = specOf(args);
    const config = change({
      ...spec,
      root: { path: layer },
      hostname: id.slice(0, 12),
      process: { ...spec.process, env: ["PATH=/bin", "HOME=/root", `HOSTNAME=${id.slice(0, 12)}`] } as Spec["process"],
      mounts: [...(spec.mounts ?? []).slice(0, -1), ...binds, ...(spec.mounts ?? []).slice(-1)],
      annotations: { created: new Date(Date.now() - 5000).toISOString(), sandbox: randomUUID() },
      linux: { ...spec.linux, cgroupsPath: `/caisson-kept-${id}` },
    } as Spec);
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    return { id, bundle, layer, config: config as Spec, pidFile: join(bundle, "pid"), log: join(bundle, "log.json") };
  }
  type Made = ReturnType<typeof engine>;
  const state = () => join(at, "state");
  const line = ({ id, bundle, pidFile, log }: Made, verb = "run") => [
    ...["--root", state(), "--log", log, "--log-format", "json"],
    ...[verb, "--bundle", bundle, "--pid-file", pidFile, id],
  ];
  const perform = (words: readonly string[], first: string, env: NodeJS.ProcessEnv): Result =>
    performInto(at, words, { env, binary: runtime }, first);
  const by = (m: Made, verb?: string, env = environment) => perform(line(m, verb), "", env);
  const without = (m: Made, verb?: string, env = environment) => perform(line(m, verb), WITH_TOO_LITTLE, env);
  const remove = (id: string) => perform(["--root", state(), "delete", "--force", id], "", environment);
  const isKept = () => existsSync(DIRECTORY) && readdirSync(DIRECTORY).some((n) => /\.\d/.test(n));
  /** The first is noted, the second a sample, and with the third it is kept. */
  const given = (make: () => Made) => [1, 2, 3].map(() => by(make()));

  test("run: from the fourth on without JavaScript, each with its own names, in whatever order its mounts are written", () => {
    const make = () => engine(shell("hostname; cat /etc/hosts /etc/hostname /etc/resolv.conf; exit 7"));
    const told = ({ id, bundle }: Made) => ({
      code: 7,
      out: `${id.slice(0, 12)}\n${["hosts", "hostname", "resolv.conf"].map((f) => `${join(bundle, f)}\n`).join("")}`,
      err: "",
    });
    for (let i = 0; i < 3; i++) {
      expect(isKept()).toBe(false);
      const made = make();
      expect(without(made).code).not.toBe(7);
      expect(by(made)).toEqual(told(made));
    }
    for (let i = 0; i < 8; i++) {
      const made = make();
      expect(without(made)).toEqual(told(made));
      expect(existsSync(made.log)).toBe(true);
    }
    expect(readdirSync(state())).toEqual([]);
  });

  test("create: nothing of one before is in what is noted of it; it is started, entered and deleted as any other", () => {
    const make = () => engine(["sleep", "1000"]);
    const olds = [1, 2, 3].map(() => {
      const made = make();
      expect(by(made, "create").code).toBe(0);
      expect(remove(made.id).code).toBe(0);
      return made;
    });
    const made = make();
    expect(without(made, "create").code).toBe(0);
    const shown = JSON.parse(perform(["--root", state(), "state", made.id], "", environment).out) as Spec & {
      pid: number;
    };
    expect(shown).toMatchObject({
      ...{ id: made.id, status: "created", bundle: made.bundle, rootfs: made.layer },
      annotations: made.config.annotations as Record<string, string>,
    });
    expect(readFileSync(made.pidFile, "utf8")).toBe(String(shown.pid));
    const names = olds.flatMap(({ id, layer, config }) => [
      ...[id, id.slice(0, 12), layer.split("/").at(-2) as string],
      ...Object.values(config.annotations ?? {}),
    ]);
    const of = join(state(), made.id);
    for (const file of ["state.json", "brief", "end", "labels"]) {
      const text = readFileSync(join(of, file), "latin1");
      expect(names.filter((name) => text.includes(name))).toEqual([]);
    }
    for (const words of [["start"], ["exec", made.id, "hostname"], ["delete", "--force"]]) {
      const [verb = "", ...rest] = words;
      const r = perform(
        ["--root", state(), verb, ...(rest.includes(made.id) ? rest : [...rest, made.id])],
        "",
        environment,
      );
      expect(r).toMatchObject({ code: 0, out: verb === "exec" ? `${made.id.slice(0, 12)}\n` : "" });
    }
    expect(readdirSync(state())).toEqual([]);
  });

  test("what goes wrong is said as the engine says it, with this container's names", () => {
    const make = () => engine(["nothing-of-this-name"], (s) => ({ ...s, process: { ...s.process, cwd: "/data" } }));
    const said = (made: Made, r: Result) => {
      const { level, msg } = JSON.parse(readFileSync(made.log, "utf8")) as Record<string, string>;
      return JSON.stringify({ ...r, level, msg }).replaceAll(made.id, "ID");
    };
    const outcomes = [1, 2, 3, 4].map(() => {
      const made = make();
      return said(made, by(made));
    });
    expect(isKept()).toBe(true);
    expect(new Set(outcomes).size).toBe(1);
    expect(readdirSync(state())).toEqual([]);
  });

  test("hooks have the environment of whoever calls, and are told of this container", () => {
    const out = join(at, "hook");
    const hook = { path: "/bin/sh", args: ["sh", "-c", `cat >>${out}; echo >>${out}; echo "$WHO" >>${out}`] };
    const make = () =>
      engine(["true"], (s) => ({ ...s, hooks: { prestart: [hook], poststop: [{ ...hook, env: ["WHO=given"] }] } }));
    for (const r of given(make)) expect(r).toEqual({ code: 0, out: "", err: "" });
    expect(isKept()).toBe(true);
    rmSync(out);
    const made = make();
    // A hook is a process of the machine's, with whatever limits.
    expect(without(made, "run", { ...environment, WHO: "somebody else" }).code).toBe(0);
    const [first = "", who, second = "", given_] = readFileSync(out, "utf8").trim().split("\n");
    expect([who, given_]).toEqual(["somebody else", "given"]);
    for (const [text, status] of [
      [first, "creating"],
      [second, "stopped"],
    ] as const)
      expect(JSON.parse(text)).toMatchObject({
        ...{ id: made.id, bundle: made.bundle, status },
        annotations: made.config.annotations,
      });
  });

  describe("once it is kept", () => {
    const misses = (m: Made, out: string) => {
      expect(without(m).out).not.toBe(out);
      expect(by(m)).toEqual({ code: 0, out, err: "" });
    };

    test("another word, limit or mount is the engine's; what comes again is kept again", () => {
      const make = (word: string, change?: Change) => engine(shell(`echo ${word}`), change);
      given(() => make("first"));
      expect(without(make("first")).out).toBe("first\n");
      misses(make("other"), "other\n");
      const limited: Change = (s) => ({ ...s, linux: { ...s.linux, resources: { pids: { limit: 99 } } } });
      misses(make("first", limited), "first\n");
      const mounted: Change = (s) => ({
        ...s,
        mounts: [...(s.mounts ?? []), { destination: "/data", type: "tmpfs", source: "tmpfs" }],
      });
      misses(make("first", mounted), "first\n");
      given(() => make("first"));
      expect(without(make("first")).out).toBe("first\n");
    });

    test("the root filesystem, what is bound, the hooks' and the words' names, and names that are none", () => {
      const make = (change?: Change) => engine(shell("echo done"), change);
      given(make);
      const changes: ((m: Made) => void)[] = [
        ({ layer }) => {
          renameSync(join(layer, "etc"), join(layer, "elsewhere"));
          symlinkSync("elsewhere", join(layer, "etc"));
        },
        ({ layer }) => writeFileSync(join(layer, "etc/hosts"), ""),
        ({ bundle }) => {
          rmSync(join(bundle, "hosts"));
          mkdirSync(join(bundle, "hosts"));
        },
        ({ layer }) => {
          renameSync(layer, `${layer}-aside`);
          symlinkSync(`${layer}-aside`, layer);
        },
      ];
      for (const change of changes) {
        const made = make();
        change(made);
        expect(without(made).out).toBe("");
        expect(without(make()).out).toBe("done\n");
      }
      // A name for once has the letters of one.
      const named = (name: string): Change => {
        const length = randomUUID().length;
        return (s) => ({ ...s, annotations: { ...s.annotations, sandbox: name.padEnd(length, "x") } });
      };
      for (const name of ["", "../../", "\\u0000"]) expect(without(make(named(name))).out).toBe("");
      const made = make();
      expect(without({ ...made, id: hex(64) }).code).not.toBe(0);
      expect(without({ ...made, id: `${made.id}0` }).code).not.toBe(0);
      expect(without({ ...made, id: made.id.toUpperCase() }).code).not.toBe(0);
      expect(without({ ...made, pidFile: make().pidFile }).code).not.toBe(0);
      expect(without(made).out).toBe("done\n");
    });

    test("an id that is taken is said to be", () => {
      const make = () => engine(["sleep", "1000"]);
      for (let i = 0; i < 3; i++) {
        const made = make();
        expect(by(made, "create").code).toBe(0);
        remove(made.id);
      }
      const made = make();
      expect(without(made, "create").code).toBe(0);
      const again = by(made, "create");
      expect(again.code).toBe(1);
      expect(again.err).toContain("container with given ID already exists");
      remove(made.id);
    });
  });

  test("what differs in more than names is not kept, and is not tried again", () => {
    let count = 100;
    const make = () => engine(["true"], (s) => ({ ...s, annotations: { ...s.annotations, count: String(count++) } }));
    given(make);
    expect(isKept()).toBe(false);
    const all = () => readdirSync(DIRECTORY).map((n) => [n, readFileSync(join(DIRECTORY, n), "latin1")]);
    const then = all();
    given(make);
    expect(all()).toEqual(then);
    // A number is nothing that is said once, however it is written.
    forget();
    const limited = () =>
      engine(["true"], (s) => ({
        ...s,
        linux: { ...s.linux, resources: { memory: { limit: 100_000_000_000 + count++ * 4096 } } },
      }));
    given(limited);
    expect(isKept()).toBe(false);
  });

  test("podman's environment comes in any order, too, and a value of it is another kind", () => {
    const env = ["A=1", "B=2", "C=3", "D=4"];
    const make = (value = "B=2") =>
      engine(shell('echo "$A$B$C$D $HOSTNAME"'), (s) => {
        const named = env.map((e) => (e.startsWith("B") ? value : e)).sort(() => Math.random() - 0.5);
        const own = [...named, ...(s.process?.env ?? [])];
        const annotations = { ...s.annotations, "io.container.manager": "libpod" };
        return { ...s, annotations, process: { ...s.process, env: own } };
      });
    for (const r of given(make)) expect(r.code).toBe(0);
    for (let i = 0; i < 5; i++) {
      const made = make();
      expect(without(made).out).toBe(`1234 ${made.id.slice(0, 12)}\n`);
    }
    const other = make("B=5");
    expect(without(other).out).toBe("");
    expect(by(other).out).toBe(`1534 ${other.id.slice(0, 12)}\n`);
  });

  test("mounts of which one is on another keep their order", () => {
    const nested: Change = (s) => ({
      ...s,
      mounts: [
        ...(s.mounts ?? []),
        { destination: "/data", type: "bind", source: join(root, "etc"), options: ["bind"] },
        { destination: "/data/passwd", type: "bind", source: join(root, "bin/busybox"), options: ["bind"] },
      ],
    });
    // The longer row is the one that may be written in any order.
    const turned: Change = (s) => {
      const { mounts = [] } = nested(s) as Spec;
      return { ...s, mounts: [...mounts.slice(0, -2), ...mounts.slice(-2).reverse()] };
    };
    const make = (change: Change) => engine(shell("head -c 4 /data/passwd | tail -c 3"), change);
    given(() => make(nested));
    expect(isKept()).toBe(true);
    expect(without(make(nested)).out).toBe("ELF");
    const other = make(turned);
    expect(without(other).out).toBe("");
    expect(by(other).out).toBe("roo".slice(1) + readFileSync(join(root, "etc/passwd"), "utf8")[3]);
  });
});
