/** checkpoint and restore by the system's criu, where it works: in the VM lane, on Debian's own kernel. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layout } from "../../src/cgroups/look.ts";
import { Bundle, type Change, linux } from "../conformance/bundle.ts";
import { until } from "../engines/machine.ts";
import { whyNoCriu } from "../helpers/criu.ts";
import { isRoot, leftovers } from "../helpers/machine.ts";

const caisson = join(import.meta.dir, "../../dist/caisson-oci");

const COUNT = "i=0; while true; do i=$((i+1)); echo $i > /tmp/n; sleep 0.1; done";
/** Takes a console over a socket, and writes down what comes over it. */
const CONSOLE = `import socket,array,os,sys
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1)
c,_=s.accept(); m,a,f,_=c.recvmsg(100, socket.CMSG_SPACE(4)); fd=array.array("i", a[0][2])[0]
with open(sys.argv[2], "wb", buffering=0) as out:
  try:
    while True: out.write(os.read(fd, 4096))
  except OSError: pass
`;
const pause = (ms: number) => new Promise((r) => setTimeout(r, ms));

/** Streams that somebody reads would be waited for. */
const detached = (b: Bundle) =>
  spawnSync(caisson, ["--root", b.state, "run", "-d", b.id], { cwd: b.at, stdio: "ignore" }).status;

describe("what is wrong is said before anything is done", () => {
  let at: string;
  beforeAll(() => {
    at = mkdtempSync(join(tmpdir(), "caisson-criu-"));
  });
  afterAll(() => rmSync(at, { recursive: true }));
  const oci = (...words: string[]) => {
    const { status, stderr } = spawnSync(caisson, ["--root", join(at, "state"), ...words], {
      cwd: at,
      encoding: "utf8",
    });
    return { code: status, err: stderr };
  };

  test("no checkpoint, no container, no criu, and words that it does not know", () => {
    expect(oci("restore", "nobody")).toEqual({
      code: 1,
      err: `caisson-oci: --image-path: ${at}/checkpoint has no checkpoint in it\n`,
    });
    expect(oci("checkpoint", "nobody").err).toContain("container nobody: container does not exist");
    mkdirSync(join(at, "images"));
    writeFileSync(join(at, "images/inventory.img"), "");
    expect(oci("--criu", "/no/criu", "restore", "--image-path", "images", "nobody").err).toContain(
      "criu: /no/criu is not installed",
    );
    expect(oci("checkpoint", "--status-fd", "x", "nobody").err).toContain('--status-fd: "x" is not the number');
    expect(existsSync(join(at, "state/nobody"))).toBe(false);
  });

  test.skipIf(!isRoot)(
    "a criu that is too old, a mode and a namespace that there are not; one that runs stays as it is",
    () => {
      const old = join(at, "criu");
      writeFileSync(old, "#!/bin/sh\necho Version: 3.9\n", { mode: 0o755 });
      using b = new Bundle(["sleep", "1000"]);
      expect(detached(b)).toBe(0);
      const ask = (...words: string[]) => b.call([...words, "--image-path", join(at, "none"), b.id]);
      expect(ask("--criu", old, "checkpoint").err).toContain("of version 3.9; 3.16 or later");
      const good = join(at, "criu-good");
      writeFileSync(good, "#!/bin/sh\n[ $1 = --version ] && echo Version: 3.17 || exit 1\n", { mode: 0o755 });
      expect(ask("--criu", good, "checkpoint", "--manage-cgroups-mode", "some").err).toContain(
        "is not one of ignore, props, soft, full, strict",
      );
      expect(ask("--criu", good, "checkpoint", "--empty-ns", "mount").err).toContain("which criu can leave empty");
      expect(ask("--criu", good, "checkpoint", "--parent-path", "/first").err).toContain("--parent-path");
      expect(ask("--criu", good, "checkpoint", "--parent-path", "./first").err).toContain("none/first is no directory");
      expect(ask("--criu", good, "checkpoint", "--page-server", "here").err).toContain("ADDRESS:PORT");
      expect(ask("--criu", good, "checkpoint").err).toContain("criu failed: it said nothing of why");
      expect(b.state_().status).toBe("running");
      expect(b.call(["pause", b.id]).code).toBe(0);
      expect(ask("--criu", good, "checkpoint").err).toContain("criu failed: it said nothing of why");
      expect(b.state_().status).toBe("paused");
      expect(b.call(["resume", b.id]).code).toBe(0);
      // A restore that fails gives up the id and the control groups.
      const before = leftovers();
      const other = `${b.id}-other`;
      mkdirSync(join(at, "bad"));
      writeFileSync(join(at, "bad/inventory.img"), "");
      expect(b.call(["--criu", good, "restore", "--image-path", join(at, "bad"), other]).err).toContain("criu failed");
      expect(existsSync(join(b.state, other))).toBe(false);
      expect(leftovers()).toEqual(before);
      for (const c of Object.values(layout().v1)) expect(readdirSync(c)).not.toContain(other);
    },
  );

  test.skipIf(!isRoot)("a terminal that nobody would take, and namespaces of others", () => {
    const made: Change = (s) => ({
      ...s,
      linux: {
        ...s.linux,
        namespaces: [
          ...(s.linux?.namespaces ?? []).filter((n) => n.type !== "ipc"),
          { type: "ipc", path: "/proc/self/ns/ipc" },
        ],
      },
    });
    using b = new Bundle(["sleep", "1000"], made);
    expect(detached(b)).toBe(0);
    const said = b.call(["checkpoint", "--image-path", join(at, "none"), b.id]).err;
    expect(said).toMatch(/ipc namespaces that are given by their path|criu is not installed/);
    using t = new Bundle(["sleep", "1000"], (s) => ({ ...s, process: { ...s.process, terminal: true } }));
    const restored = t.call(["restore", "--image-path", join(at, "images"), t.id]).err;
    expect(restored).toMatch(/--console-socket: process.terminal is true|criu is not installed/);
  });
});

const why = whyNoCriu();
describe.skipIf(why !== "")(`by criu${why && ` (skipped: ${why})`}`, () => {
  let before: ReturnType<typeof leftovers>;
  beforeAll(() => {
    before = leftovers();
  });
  afterAll(() => expect(leftovers()).toEqual(before));

  const counter = (change: Change = (s) => s) => new Bundle(["sh", "-c", COUNT], change);
  const n = (root: string) => Number(readFileSync(join(root, "tmp/n"), "utf8"));
  const counts = (b: Bundle) => until("what was to happen", () => existsSync(join(b.root, "tmp/n")) && n(b.root) > 3);
  const images = (b: Bundle) => join(b.at, "images");
  const oci = (b: Bundle, words: readonly string[], stdio: "ignore" | ["ignore", "pipe", "inherit"] = "ignore") =>
    spawnSync(caisson, ["--root", b.state, ...words], { cwd: b.at, stdio, encoding: "utf8" });
  const said = (b: Bundle, file: string) => `${readFileSync(join(images(b), file), "utf8").match(/^.*Error.*$/gm)}`;
  const checkpoint = (b: Bundle, ...more: string[]) => {
    const { status } = oci(b, ["checkpoint", "--image-path", images(b), ...more, b.id]);
    if (status !== 0) throw new Error(said(b, "dump.log"));
  };
  const restore = (b: Bundle, id = b.id, ...more: string[]) => {
    const { status } = oci(b, ["restore", "-d", "--image-path", images(b), ...more, id]);
    if (status !== 0) throw new Error(said(b, "restore.log"));
  };
  const run = (b: Bundle) => expect(detached(b)).toBe(0);

  test("a container goes on where it was, with its limits, and can be used as any other", async () => {
    using b = counter((s) => ({
      ...(linux({
        resources: { memory: { limit: 64 << 20 }, pids: { limit: 30 } },
        maskedPaths: ["/proc/kcore", "/proc/acpi"],
      })(s) as object),
    }));
    run(b);
    await counts(b);
    checkpoint(b);
    expect(b.call(["state", b.id]).err).toContain("does not exist");
    const at = n(b.root);
    await pause(500);
    expect(n(b.root)).toBe(at);

    const pidFile = join(b.at, "pid");
    restore(b, b.id, "--pid-file", pidFile);
    await until("what was to happen", () => n(b.root) > at);
    expect(n(b.root)).toBeLessThan(at + 100);
    const pid = Number(readFileSync(pidFile, "utf8"));
    const state = JSON.parse(b.call(["state", b.id]).out);
    expect(state).toMatchObject({ status: "running", pid });
    const { v2 } = layout();
    if (v2) {
      const group = readFileSync(`/proc/${pid}/cgroup`, "utf8").match(/^0::(.*)$/m)?.[1] ?? "";
      expect(readFileSync(`${v2.point}${group}/memory.max`, "utf8")).toBe(`${64 << 20}\n`);
      expect(readFileSync(`${v2.point}${group}/pids.max`, "utf8")).toBe("30\n");
    }
    expect(b.call(["exec", b.id, "cat", "/proc/1/comm"]).out).toBe("sh\n");
    expect(b.call(["exec", b.id, "head", "-c1", "/proc/kcore"]).out).toBe("");
    expect(b.call(["pause", b.id]).code).toBe(0);
    expect(b.state_().status).toBe("paused");
    expect(b.call(["resume", b.id]).code).toBe(0);
    expect(b.call(["kill", b.id, "KILL"]).code).toBe(0);
    await until("what was to happen", () => b.state_().status === "stopped");
    expect(b.call(["delete", b.id]).code).toBe(0);
  }, 120_000);

  test("--leave-running, and another of the same images: other id, other root, other source of a mount", async () => {
    const bind =
      (source: string): Change =>
      (s) => ({
        ...s,
        mounts: [...(s.mounts ?? []), { destination: "/data", type: "bind", source, options: ["rbind"] }],
      });
    using b = new Bundle(["sh", "-c", `exec 3>>/data/log; ${COUNT.replace("sleep", "echo $i >&3; sleep")}`]);
    const [one, two] = [join(b.at, "one"), join(b.at, "two")];
    mkdirSync(one);
    b.rewrite(bind(one));
    run(b);
    await counts(b);
    checkpoint(b, "--leave-running");
    const at = n(b.root);
    expect(b.state_().status).toBe("running");
    await until("what was to happen", () => n(b.root) > at);

    cpSync(one, two, { recursive: true });
    using other = new Bundle(["true"]);
    rmSync(other.root, { recursive: true });
    cpSync(b.root, other.root, { recursive: true, verbatimSymlinks: true });
    rmSync(join(other.root, "data"), { recursive: true });
    const spec = JSON.parse(readFileSync(join(b.at, "config.json"), "utf8"));
    other.write(bind(two)({ ...spec, mounts: spec.mounts.slice(0, -1) }));
    const { status } = oci(other, ["restore", "-d", "--image-path", images(b), other.id]);
    if (status !== 0) throw new Error(said(b, "restore.log"));
    const lines = () => readFileSync(join(two, "log"), "utf8").split("\n").length;
    const first = lines();
    await until("what was to happen", () => lines() > first);
    expect(other.call(["exec", other.id, "cat", "/proc/sys/kernel/hostname"])).toEqual({
      ...{ code: 0, err: "", out: "conformance\n" },
    });
    expect(b.state_().status).toBe("running");
  }, 120_000);

  test("one that is paused, as engines have it: it stays so, or ends", async () => {
    using b = counter();
    run(b);
    await counts(b);
    expect(b.call(["pause", b.id]).code).toBe(0);
    const was = n(b.root);
    checkpoint(b, "--leave-running");
    expect(b.state_().status).toBe("paused");
    await pause(500);
    expect(n(b.root)).toBe(was);
    checkpoint(b);
    expect(b.state_()).toEqual({});
    restore(b);
    await until("it goes on", () => n(b.root) > was);
    expect(b.state_().status).toBe("running");
    b.call(["delete", "--force", b.id]);
  });

  test("what it writes goes to whoever restores it, who is told of its end and its exit status", async () => {
    using b = new Bundle([
      "sh",
      "-c",
      "i=0; while [ ! -e /tmp/stop ]; do i=$((i+1)); echo $i; sleep 0.1; done; exit 7",
    ]);
    // A pipe, as engines have it: what this runtime calls one is a socket.
    const piped = (words: string) =>
      spawn(
        "bash",
        ["-o", "pipefail", "-c", `"$0" --root ${b.state} ${words} ${b.id} </dev/null 2>/dev/null | cat`, caisson],
        {
          cwd: b.at,
          stdio: ["ignore", "pipe", "inherit"],
        },
      );
    const p = piped("run");
    let out = "";
    p.stdout.on("data", (d) => {
      out += d;
    });
    await until("what was to happen", () => out.includes("\n5\n"));
    checkpoint(b);
    const last = Number(out.trim().split("\n").pop());

    const r = piped(`restore --image-path ${images(b)}`);
    let more = "";
    r.stdout.on("data", (d) => {
      more += d;
    });
    await until("what was to happen", () => more.split("\n").length > 4);
    const next = Number(more.split("\n")[0]);
    expect(next).toBeGreaterThan(last - 1);
    expect(next).toBeLessThan(last + 20);
    writeFileSync(join(b.root, "tmp/stop"), "");
    expect(await new Promise((resolve) => r.once("exit", resolve))).toBe(7);
    expect(existsSync(join(b.state, b.id))).toBe(false);
  }, 120_000);

  test("a FIFO and a file that are outside of it are those of whoever restores it", async () => {
    using b = new Bundle(["sh", "-c", "echo begun; while read line; do echo got $line; done; echo over"]);
    const [fifo, file] = [join(b.at, "fifo"), join(b.at, "file")];
    spawnSync("mkfifo", [fifo]);
    const writer = await open(fifo, "r+");
    try {
      const shell = (words: string) => {
        const line = `${caisson} --root ${b.state} ${words} ${b.id} <${fifo} >>${file} 2>&1`;
        const { status } = spawnSync("sh", ["-c", line], { cwd: b.at });
        expect([status, readFileSync(file, "utf8")]).toEqual([0, expect.not.stringContaining("caisson-oci")]);
      };
      const told = (text: string) => until(text, () => readFileSync(file, "utf8").endsWith(text));
      shell("run -d");
      await told("begun\n");
      await writer.write("one\n");
      await told("got one\n");
      checkpoint(b);
      shell(`restore -d --image-path ${images(b)}`);
      await writer.write("two\n");
      await told("begun\ngot one\ngot two\n");
    } finally {
      await writer.close();
    }
    await until("its end", () => readFileSync(file, "utf8").endsWith("over\n"));
    b.call(["delete", "--force", b.id]);
  }, 120_000);

  test("a container with a terminal: whoever takes consoles gets a new one, on which it goes on", async () => {
    const script = "i=0; while true; do i=$((i+1)); echo $i; echo $i > /tmp/n; sleep 0.1; done";
    using b = new Bundle(["sh", "-c", script], (s) => ({ ...s, process: { ...s.process, terminal: true } }));
    const received = (file: string) => {
      const socket = join(b.at, `${file}.sock`);
      const p = spawn("python3", ["-c", CONSOLE, socket, join(b.at, file)], { stdio: "ignore" });
      return { socket, p, text: () => (existsSync(join(b.at, file)) ? readFileSync(join(b.at, file), "utf8") : "") };
    };
    const first = received("first");
    await until("the receiver", () => existsSync(first.socket));
    expect(oci(b, ["run", "-d", "--console-socket", first.socket, b.id]).status).toBe(0);
    await until("what was to happen", () => first.text().includes("5\r\n"));
    checkpoint(b);
    const at = n(b.root);
    const second = received("second");
    await until("the receiver", () => existsSync(second.socket));
    restore(b, b.id, "--console-socket", second.socket);
    await until("what was to happen", () => second.text().includes(`${at + 3}\r\n`));
    expect(second.text()).not.toContain("\n1\r\n");
    expect(b.call(["exec", b.id, "sh", "-c", "tty < /dev/console; ls -l /proc/1/fd/0"]).out).toContain("/dev/pts/0");
    expect(b.state_().status).toBe("running");
    for (const { p } of [first, second]) p.kill();
  }, 120_000);

  test("first the memory, then what has changed since", async () => {
    using b = counter();
    run(b);
    await counts(b);
    const first = join(b.at, "first");
    expect(oci(b, ["checkpoint", "--pre-dump", "--image-path", first, b.id]).status).toBe(0);
    expect(b.state_().status).toBe("running");
    checkpoint(b, "--parent-path", "../first");
    const at = n(b.root);
    restore(b);
    await until("what was to happen", () => n(b.root) > at);
  }, 120_000);

  const lacksLazy = spawnSync("criu", ["check", "--feature", "uffd-noncoop"]).status === 0 ? "" : "no uffd-noncoop";
  test.skipIf(lacksLazy !== "")(
    `memory that stays where it was until it is used${lacksLazy && ` (skipped: ${lacksLazy})`}`,
    async () => {
      using b = counter();
      run(b);
      await counts(b);
      const port = "27277";
      const lazily = ["--lazy-pages", "--page-server", `127.0.0.1:${port}`, "--status-fd", "3"];
      const words = ["--root", b.state, "checkpoint", ...lazily, "--image-path", images(b), b.id];
      // criu opens it once more by its name in /proc, which a socket does not allow.
      const status = join(b.at, "status");
      spawnSync("mkfifo", [status]);
      const fifo = await open(status, "r+");
      const served = spawn(caisson, words, { cwd: b.at, stdio: ["ignore", "ignore", "inherit", fifo.fd] });
      const over = new Promise((resolve) => served.once("exit", resolve));
      expect(await fifo.read(Buffer.alloc(2))).toMatchObject({ bytesRead: 1, buffer: Buffer.alloc(2) });
      await fifo.close();
      const at = n(b.root);
      const fetcher = spawn(
        "criu",
        ["lazy-pages", "--page-server", "--address", "127.0.0.1", "--port", port, "-D", images(b)],
        { stdio: "ignore" },
      );
      const fetched = new Promise((resolve) => fetcher.once("exit", resolve));
      await until("the one that fetches", () => existsSync(join(images(b), "lazy-pages.socket")));
      // That it was is ended when all of its memory has gone.
      const other = `${b.id}-lazy`;
      restore(b, other, "--lazy-pages");
      await until("it goes on", () => n(b.root) > at);
      expect(await Promise.all([over, fetched])).toEqual([0, 0]);
      expect(b.call(["state", b.id]).err).toContain("does not exist");
      expect(b.call(["delete", "--force", other]).code).toBe(0);
    },
    120_000,
  );

  test("mounts by a link of the root filesystem, and in each other; mount points that went meanwhile are made again", async () => {
    const binds = ["one", "two", "three"];
    using b = counter();
    for (const name of binds) mkdirSync(join(b.at, name));
    mkdirSync(join(b.root, "real/conf"), { recursive: true });
    symlinkSync("/real/conf", join(b.root, "conf"));
    const at = ["/conf", "/data", "/data/for/nested"];
    b.rewrite((s) => {
      const mounts = binds.map((name, i) => ({
        ...{ destination: at[i] ?? "", type: "bind", source: join(b.at, name), options: ["bind"] },
      }));
      return { ...s, mounts: [...(s.mounts ?? []), ...mounts] };
    });
    run(b);
    await counts(b);
    checkpoint(b);
    rmSync(join(b.at, "two/for"), { recursive: true });
    for (const name of binds) writeFileSync(join(b.at, name, "file"), name);
    restore(b);
    for (const [i, name] of binds.entries())
      expect(b.call(["exec", b.id, "cat", `${at[i]}/file`])).toMatchObject({ code: 0, out: name });
  }, 120_000);

  test("org.criu.config: criu's own options, from a file", async () => {
    using b = counter();
    const file = join(b.at, "criu.conf");
    writeFileSync(file, "log-file=own.log\n");
    b.rewrite((s) => ({ ...s, annotations: { "org.criu.config": file } }));
    run(b);
    await counts(b);
    checkpoint(b);
    expect(existsSync(join(images(b), "own.log"))).toBe(true);
    expect(existsSync(join(images(b), "dump.log"))).toBe(false);
    restore(b);
  }, 120_000);

  test("a network namespace that somebody else made is entered again", async () => {
    const ns = join(mkdtempSync(join(tmpdir(), "caisson-ns-")), "net");
    writeFileSync(ns, "");
    chmodSync(ns, 0o600);
    expect(spawnSync("unshare", [`--net=${ns}`, "true"]).status).toBe(0);
    try {
      using b = counter((s) => ({
        ...s,
        linux: {
          ...s.linux,
          namespaces: [
            ...(s.linux?.namespaces ?? []).filter((x) => x.type !== "network"),
            { type: "network", path: ns },
          ],
        },
      }));
      run(b);
      await counts(b);
      checkpoint(b);
      const at = n(b.root);
      restore(b);
      await until("what was to happen", () => n(b.root) > at);
      const link = (path: string) => spawnSync("stat", ["-Lc", "%i", path], { encoding: "utf8" }).stdout;
      const { pid } = JSON.parse(b.call(["state", b.id]).out);
      expect(link(`/proc/${pid}/ns/net`)).toBe(link(ns));
    } finally {
      spawnSync("umount", [ns]);
      rmSync(join(ns, ".."), { recursive: true });
    }
  }, 120_000);

  test("hooks for namespaces that were just made are performed again; one that fails ends it, and nothing is left", async () => {
    const seen = join(tmpdir(), "caisson-criu-hook");
    using b = counter((s) => ({
      ...s,
      hooks: { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", `cat >> ${seen}`] }] },
    }));
    try {
      run(b);
      await counts(b);
      checkpoint(b);
      rmSync(seen);
      restore(b);
      const { pid } = JSON.parse(b.call(["state", b.id]).out);
      expect(JSON.parse(readFileSync(seen, "utf8"))).toMatchObject({ id: b.id, status: "creating", pid });
      checkpoint(b);
      b.rewrite((spec) => ({
        ...spec,
        hooks: { prestart: [{ path: "/bin/sh", args: ["sh", "-c", "echo no >&2; exit 3"] }] },
      }));
      const r = b.call(["restore", "-d", "--image-path", images(b), b.id]);
      expect(r.code).toBe(1);
      expect(r.err).toContain("error running hook prestart[0] /bin/sh: exit status 3: no");
      expect(existsSync(join(b.state, b.id))).toBe(false);
    } finally {
      rmSync(seen, { force: true });
    }
  }, 120_000);

  test("images that are damaged: criu's own words, and nothing is left", async () => {
    using b = counter();
    run(b);
    await counts(b);
    checkpoint(b);
    const cores = readdirSync(images(b)).filter((f) => f.startsWith("core-1"));
    for (const f of cores) writeFileSync(join(images(b), f), "nonsense");
    const r = spawnSync(caisson, ["--root", b.state, "restore", "-d", "--image-path", images(b), b.id], {
      cwd: b.at,
      encoding: "utf8",
    });
    expect(r.status).toBe(1);
    expect(r.stderr).toContain("criu failed: ");
    expect(r.stderr).not.toContain("nothing of why");
    expect(existsSync(join(b.state, b.id))).toBe(false);
  }, 120_000);
});
