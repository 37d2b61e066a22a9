import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Readable } from "node:stream";

/** A file system that can be the upper layer of another. */
const layers = process.env["CAISSON_ROOT"] ?? "/var/lib";

/** The library, as Node and Bun both must have it: each case is a function, run by the test runner of the platform. */
type Library = typeof import("../../src/index.ts");

export const cases: Readonly<Record<string, (c: Library) => Promise<void>>> = {
  "runs a command and collects what it writes": async ({ run }) => {
    const r = await run(["sh", "-c", "echo out; echo err >&2; exit 3"]);
    assert.equal(r.exitCode, 3);
    assert.equal(r.stdout, "out\n");
    assert.equal(r.stderr, "err\n");
    assert.ok(r.wallTime > 0 && r.peakMemory > 0);
  },
  "keeps what a container wrote, in a place of its own or in a directory": async (c) => {
    const name = `kept-${process.pid}`;
    const kept = () => {
      const found = c.findContainer(name);
      assert.equal(found.status, "exited");
      return readFileSync(join(found.noted.keep ?? "", "root/diff/opt/made"), "utf8");
    };
    const at = mkdtempSync(join(layers, "caisson-keep-"));
    try {
      for (const keep of [true, at]) {
        const script = `echo ${keep} > /opt/made; exit 3`;
        assert.equal((await c.run(["sh", "-c", script], { name, keep })).exitCode, 3);
        assert.equal(kept(), `${keep}\n`);
        await assert.rejects(c.run(["true"], { name, keep }), /there already/);
        assert.equal(kept(), `${keep}\n`);
        await c.removeContainer(c.findContainer(name));
        assert.throws(() => c.findContainer(name), /no container is named/);
      }
      {
        await using box = await c.container({ name, keep: true });
        await box.run(["sh", "-c", "echo later > /opt/made"]);
      }
      assert.equal(kept(), "later\n");
      await c.removeContainer(c.findContainer(name));
      await assert.rejects(c.run(["/no/such/program"], { name, keep: true }), /execute/);
      assert.ok(existsSync(join(at, "root/diff/opt/made")));
    } finally {
      rmSync(at, { recursive: true });
    }
  },
  "gives input, and /dev/stdout is a pipe that can be opened again": async ({ run }) => {
    const r = await run(["sh", "-c", "cat > /dev/stdout"], { input: "some text" });
    assert.equal(r.stdout, "some text");
  },
  "output as bytes, and input from whatever gives pieces": async ({ run, container }) => {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    async function* pieces() {
      yield bytes.subarray(0, 100);
      await new Promise((resolve) => setTimeout(resolve, 10));
      yield bytes.subarray(100);
    }
    const stdout: Uint8Array = (await run(["cat"], { input: pieces(), encoding: "buffer" })).stdout;
    assert.deepEqual([...stdout], [...bytes]);
    const box = await container();
    try {
      const r = await box.run(["sh", "-c", "cat >&2"], { input: new Blob([bytes]).stream(), encoding: "buffer" });
      assert.deepEqual([r.stdout.length, [...r.stderr]], [0, [...bytes]]);
      assert.equal((await box.run(["cat"], { input: Readable.from(["a", "b"]) })).stdout, "ab");
    } finally {
      await box.dispose();
    }
  },
  "a command that writes more than it may is ended": async ({ run, container }) => {
    const much = await run(["yes"], { maxOutput: "1M" });
    assert.deepEqual([much.outputExceeded, much.signal, much.stdout.length], [true, "SIGKILL", 2 ** 20]);
    const all = await run(["sh", "-c", "printf abc; printf abc >&2"], { maxOutput: 3 });
    assert.deepEqual([all.outputExceeded, all.exitCode, all.stdout, all.stderr], [false, 0, "abc", "abc"]);
    const box = await container();
    try {
      const r = await box.run(["sh", "-c", "while :; do echo no >&2; done"], { maxOutput: 1000, encoding: "buffer" });
      assert.deepEqual([r.outputExceeded, r.stderr.length], [true, 1000]);
      assert.equal((await box.run(["sh", "-c", "pgrep -c sh || true"])).stdout.trim(), "1");
    } finally {
      await box.dispose();
    }
    await assert.rejects(run(["true"], { maxOutput: "600M" }), /maxOutput: "600M" is not 536870888 bytes at most/);
    assert.equal((await run(["true"], { maxOutput: "600M", encoding: "buffer" })).exitCode, 0);
    for (const [name, value] of [
      ["maxOutput", "much"],
      ["encoding", "latin1"],
      ["input", 1],
    ] as const)
      await assert.rejects(run(["true"], { [name]: value }), new RegExp(`^\\w+: ${name}: `, "i"));
  },
  "input that fails ends the command, and is said": async ({ run, container }) => {
    async function* failing() {
      yield "begin\n";
      throw new Error("no more of it");
    }
    await assert.rejects(run(["cat"], { input: failing() }), /no more of it/);
    const gone = new PassThrough();
    gone.destroy();
    await assert.rejects(run(["cat"], { input: gone }), /remature close/);
    await assert.rejects(run(["cat"], { input: Readable.from([{}], { objectMode: true }) }), TypeError);
    const box = await container();
    try {
      const p = await box.spawn(["cat"], { input: failing() });
      await assert.rejects(p.ended, /no more of it/);
      // What is not read is no error, and whoever gives it is not kept waiting.
      const endless = Readable.from(
        (function* () {
          for (;;) yield "x".repeat(1000);
        })(),
      );
      assert.equal((await box.run(["head", "-c", "3"], { input: endless })).stdout, "xxx");
      endless.destroy();
      // A command that has ended leaves no pipe behind, whoever is still to give it something.
      async function* late() {
        await new Promise((resolve) => setTimeout(resolve, 50));
        yield "late";
      }
      const descriptors = () => readdirSync("/proc/self/fd").length;
      const before = descriptors();
      for (let i = 0; i < 10; i++) await box.run(["true"], { input: late() });
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.ok(descriptors() <= before, `${descriptors()} descriptors are open, and ${before} were`);
    } finally {
      await box.dispose();
    }
  },
  "moves much data with back-pressure": async ({ run }) => {
    const r = await run(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; cat | wc -c"], {
      input: "y".repeat(500_000),
    });
    assert.equal(r.stdout.length, 3_000_000 + "500000\n".length);
  },
  "is process 1 of its own, with its own host name and loopback up": async ({ run }) => {
    const r = await run(["sh", "-c", "echo $$; hostname; cat /sys/class/net/lo/flags; ls /sys/class/net"], {
      hostname: "box",
    });
    assert.equal(r.stdout, "1\nbox\n0x9\nlo\n");
  },
  "writes to a view of this machine's root, and nothing of it stays": async ({ run }) => {
    const before = readFileSync("/etc/passwd", "utf8");
    const r = await run([
      "sh",
      "-c",
      "echo x > /etc/passwd && rm -r /usr/bin/env && cat /etc/passwd && test ! -e /usr/bin/env",
    ]);
    assert.equal(r.stdout, "x\n");
    assert.equal(r.exitCode, 0);
    assert.equal(readFileSync("/etc/passwd", "utf8"), before);
  },
  "shows volumes, read-only ones read-only": async ({ run }) => {
    const dir = mkdtempSync(join(tmpdir(), "caisson-test-"));
    try {
      writeFileSync(join(dir, "in"), "hello");
      const volumes = { "/new/place": dir, "/ro": { source: dir, readOnly: true } };
      const r = await run(["sh", "-c", "cat /new/place/in; echo written > /new/place/out; echo no > /ro/in"], {
        volumes,
      });
      assert.equal(r.stdout, "hello");
      assert.match(r.stderr, /Read-only file system/);
      assert.equal(readFileSync(join(dir, "out"), "utf8"), "written\n");
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
  "has no capability that it was not given, no_new_privs and a seccomp filter": async ({ run }) => {
    const r = await run(["cat", "/proc/self/status"]);
    assert.match(r.stdout, /^CapBnd:\t00000000800405fb$/m);
    assert.match(r.stdout, /^NoNewPrivs:\t1$/m);
    assert.match(r.stdout, /^Seccomp:\t2$/m);
    const all = await run(["cat", "/proc/self/status"], {
      capDrop: ["ALL"],
      seccomp: "unconfined",
      noNewPrivileges: false,
    });
    assert.match(all.stdout, /^CapEff:\t0000000000000000$/m);
    assert.match(all.stdout, /^Seccomp:\t0$/m);
  },
  "has no file descriptor but its streams": async ({ run }) => {
    const r = await run(["sh", "-c", "ls /proc/self/fd"]);
    assert.deepEqual(
      r.stdout
        .trim()
        .split("\n")
        .map(Number)
        .filter((n) => n > 3),
      [],
    );
  },
  "refuses what the default profile forbids, and hides what is masked": async ({ run }) => {
    const r = await run([
      "sh",
      "-c",
      "mount -t tmpfs x /mnt; wc -c < /proc/keys; ls /sys/firmware | wc -l; echo x > /proc/sys/kernel/domainname",
    ]);
    assert.match(r.stdout, /^0\n0\n/m);
    assert.match(r.stderr, /(denied|not permitted|must be superuser)/);
    assert.match(r.stderr, /Read-only file system/);
  },
  "cannot write to the executor that it came from (CVE-2019-5736)": async ({ run }) => {
    // With an init, process 1 is the executor.
    const r = await run(["sh", "-c", "readlink /proc/1/exe; (: > /proc/1/exe) 2>&1; true"], { init: true });
    assert.doesNotMatch(r.stdout, /executor-/);
    assert.match(r.stdout, /cannot create|denied|busy/i);
  },
  "runs as another user": async ({ run }) => {
    const r = await run(["id"], { user: "nobody", groups: ["mail"], workdir: "/" });
    assert.match(r.stdout, /^uid=65534\(nobody\) gid=65534\(nogroup\) groups=65534\(nogroup\),8\(mail\)/);
  },
  "copies files into a container, and out of it": async ({ container }) => {
    const dir = mkdtempSync(join(tmpdir(), "caisson-test-"));
    try {
      mkdirSync(join(dir, "in/sub"), { recursive: true });
      writeFileSync(join(dir, "in/sub/file"), "hello");
      symlinkSync("sub/file", join(dir, "in/link"));
      await using box = await container();
      assert.deepEqual(await box.copyIn(join(dir, "in"), "/srv"), { leftOut: [] });
      const made = ["cat /srv/in/link", "echo made > /srv/in/new", "mkfifo /srv/in/fifo", "ln -s /srv/in /srv/way"];
      assert.equal((await box.run(["sh", "-c", made.join("; ")])).stdout, "hello");
      assert.deepEqual(await box.copyOut("srv/way/.", join(dir, "out")), { leftOut: ["fifo"] });
      assert.equal(readFileSync(join(dir, "out/new"), "utf8"), "made\n");
      assert.equal(readFileSync(join(dir, "out/link"), "utf8"), "hello");
      await assert.rejects(box.copyOut("/nowhere", dir), /source: \/nowhere is not there/);
      await assert.rejects(box.copyIn("", "/srv"), { name: "InvalidOptionError", message: /^source: ""/ });
      await assert.rejects(box.copyIn(dir, "/srv", { archive: "yes" } as object), /options.archive: "yes"/);
      await box.run(["sh", "-c", "ln -s ../../../../../../etc /srv/away"]);
      await box.copyIn(join(dir, "in/sub/file"), "/srv/away/copied");
      assert.equal((await box.run(["cat", "/etc/copied"])).stdout, "hello");
      assert.equal(existsSync("/etc/copied"), false);
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
  "ends at its time limit": async ({ run }) => {
    const r = await run(["sleep", "30"], { timeout: "100ms" });
    assert.equal(r.timedOut, true);
    assert.equal(r.signal, "SIGKILL");
  },
  "ends when the caller no longer wants it": async ({ run }) => {
    const abort = new AbortController();
    setTimeout(() => abort.abort(new Error("no longer")), 100);
    await assert.rejects(run(["sleep", "30"], { signal: abort.signal }), /no longer/);
    // However early: its supervisor may not have begun.
    for (let i = 0; i < 20; i++) {
      const early = new AbortController();
      const late = run(["sleep", "60"], { signal: early.signal });
      setTimeout(() => early.abort(new Error(`unwanted ${i}`)), i % 5);
      await assert.rejects(late, new RegExp(`unwanted ${i}$`));
    }
  },
  "sets resource limits, sysctls, the environment and the clock's offset": async ({ run }) => {
    const r = await run(
      ["sh", "-c", "ulimit -n; cat /proc/sys/net/ipv4/ip_forward; echo $A; cut -d. -f1 /proc/uptime"],
      {
        ulimits: { nofile: 77 },
        sysctls: { "net.ipv4.ip_forward": "1" },
        env: { A: "b c" },
        clock: { monotonic: 100_000, boottime: 100_000_000 },
      },
    );
    const [files, forward, a, uptime] = r.stdout.split("\n");
    assert.deepEqual([files, forward, a], ["77", "1", "b c"]);
    assert.ok(Number(uptime) >= 100_000_000);
  },
  "has a first process that reaps, and one with a terminal has a terminal": async ({ run }) => {
    const init = await run(["sh", "-c", "echo $$; exit 4"], { init: true });
    assert.deepEqual([init.stdout, init.exitCode], ["2\n", 4]);
    const tty = await run(["sh", "-c", "tty; stty size"], { tty: { rows: 11, columns: 22 } });
    assert.equal(tty.stdout, "/dev/pts/0\r\n11 22\r\n");
  },
  "is told of if its supervisor is killed, and leaves nothing": async ({ run }) => {
    const long = String(900_000 + process.pid);
    const running = run(["sleep", long]);
    running.catch(() => {});
    const words = (pid: string) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, "utf8");
      } catch {
        return "";
      }
    };
    const find = () => readdirSync("/proc").find((pid) => words(pid) === `sleep\0${long}\0`);
    for (let i = 0; i < 200 && !find(); i++) await new Promise((r) => setTimeout(r, 20));
    const pid = find() ?? assert.fail("it did not start");
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    process.kill(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]), "SIGKILL");
    await assert.rejects(running, /the container's supervisor was killed/);
    assert.equal(find(), undefined);
  },
  "says what is wrong with an option, and has touched nothing": async ({ run, InvalidOptionError }) => {
    const bad: [object, RegExp][] = [
      [{ memory: "12Q" }, /^memory: "12Q" is not a size/],
      [{ memory: "4K" }, /^memory: "4K" is not at least 1M/],
      [{ colour: "red" }, /^colour: "red" is not an option; known are name, rootfs/],
      [{ user: "nosuchuser" }, /^user: "nosuchuser" is not a user/],
      [{ volumes: { "/x": "/no/such/path" } }, /^volumes\.\/x: "\/no\/such\/path" is not an existing file/],
      [{ volumes: { "../x": "/tmp" } }, /^volumes: "..\/x" is not an absolute path/],
      [{ volumes: { "/x": "" } }, /^volumes\.\/x: "" is not an existing file/],
      [{ rootfs: "" }, /^rootfs: "" is not an existing directory/],
      [{ rootfs: { overlay: "" } }, /^rootfs: "" is not an existing directory/],
      [{ rootfs: "/no/such/root" }, /^rootfs: .* is not an existing directory/],
      [{ capAdd: ["FLY"] }, /^capAdd: "FLY" is not a capability/],
      [{ ulimits: { files: 3 } }, /^ulimits: "files" is not one of/],
      [{ name: "../up" }, /^name: /],
    ];
    for (const [options, message] of bad)
      await assert.rejects(
        run(["true"], options),
        (e: Error) => e instanceof InvalidOptionError && message.test(e.message),
      );
  },
  "says which step failed": async ({ run, StepError }) => {
    await assert.rejects(
      run(["nosuchcommand"]),
      (e: Error) => e instanceof StepError && e.exitCode === 127 && e.errno === "ENOENT",
    );
    await assert.rejects(
      run(["/etc/passwd"]),
      (e: Error) => e instanceof StepError && e.exitCode === 126 && e.errno === "EACCES",
    );
    await assert.rejects(
      run(["true"], { workdir: "/no/dir" }),
      (e: Error) => e instanceof StepError && e.exitCode === 125 && e.path === "/no/dir",
    );
  },
  "keeps a container alive, runs commands in it, and disposes of it": async ({ container, listContainers }) => {
    const box = await container();
    try {
      const file = "a b; echo no";
      assert.equal((await box.$`echo ${file} x=${1}`).stdout, "a b; echo no x=1\n");
      await box.run(["sh", "-c", "echo kept > /tmp/note"]);
      assert.equal((await box.$`cat /tmp/note`).stdout, "kept\n");
      const lines: string[] = [];
      const process = await box.spawn(["sh", "-c", "echo one; echo two"]);
      for await (const line of process.lines()) lines.push(line);
      assert.deepEqual(lines, ["one", "two"]);
      assert.ok(listContainers().some((c) => c.noted.name === box.name && c.status === "running"));
      assert.match(box.plan(), /pivot_root\("\.", "\."\)/);
      await assert.rejects(box.$`nosuchcommand`, /command not found/);
    } finally {
      await box.dispose();
    }
    assert.ok(!listContainers().some((c) => c.noted.name === box.name));
  },
  "starts nothing in a container that is paused, or whose group is": async ({ container, ControlGroup }) => {
    const group = await ControlGroup.create(`library-paused-${process.pid}`);
    const box = await container({ cgroupParent: group.name });
    try {
      const [own] = group.children();
      for (const [frozen, said] of [
        [group, `caisson group thaw ${group.name}`],
        [own, `caisson unpause ${box.name}`],
      ] as const) {
        await frozen?.freeze();
        await assert.rejects(box.run(["true"]), { name: "NameError", message: new RegExp(said) });
        await frozen?.thaw();
        assert.equal((await box.run(["true"])).exitCode, 0);
      }
    } finally {
      await box.dispose();
      await group.remove();
    }
  },
  "shows the mounts that there are when it starts": async ({ run }) => {
    const at = mkdtempSync("/var/tmp/caisson-mounts-");
    const shown = async () => (await run(["cat", join(at, "file")], { stderr: "ignore" })).stdout;
    try {
      writeFileSync(join(at, "file"), "below");
      assert.equal(await shown(), "below");
      execFileSync("mount", ["-t", "tmpfs", "tmpfs", at]);
      writeFileSync(join(at, "file"), "mounted");
      assert.equal(await shown(), "mounted");
      execFileSync("umount", [at]);
      rmSync(at, { recursive: true });
      assert.equal(await shown(), "");
    } finally {
      spawnSync("umount", [at], { stdio: "ignore" });
      rmSync(at, { recursive: true, force: true });
    }
  },
  "says of what has ended that it has": async ({ container, containerPool }) => {
    const box = await container();
    const p = await box.spawn(["seq", "2"]);
    const lines: string[] = [];
    for (let i = 0; i < 2; i++) for await (const line of p.lines()) lines.push(line);
    assert.deepEqual(lines, ["1", "2"]);
    await box.dispose();
    await assert.rejects(box.run(["true"]), { name: "NameError", message: /the container \S+ has ended/ });
    await assert.rejects(box.copyIn("/etc/passwd", "/tmp"), { name: "NameError" });
    await box.dispose();
    const pool = await containerPool({ size: 1 });
    await pool.dispose();
    await assert.rejects(pool.run(["true"]), /disposed of/);
  },
  "starts from a warm pool, each container once": async ({ containerPool }) => {
    const pool = await containerPool({ size: 2 });
    try {
      for (let i = 0; i < 5; i++) {
        const r = await pool.run(["sh", "-c", `test ! -e /used && touch /used && echo ${i}`]);
        assert.equal(r.stdout, `${i}\n`);
      }
      await assert.rejects(pool.run(["nosuchcommand"]), /command not found/);
    } finally {
      await pool.dispose();
    }
  },
  "runs many at once with different limits": async ({ run }) => {
    const all = await Promise.all(
      Array.from({ length: 30 }, (_, i) => run(["sh", "-c", `echo ${i}; ulimit -n`], { ulimits: { nofile: 50 + i } })),
    );
    for (const [i, r] of all.entries()) assert.equal(r.stdout, `${i}\n${50 + i}\n`);
  },
  "does without privileges, and says what it could not apply": async ({ run }) => {
    const r = await run(["sh", "-c", "id -u; touch /etc/x && echo written"], { rootless: true, memory: "64M" });
    assert.equal(r.stdout, "0\nwritten\n");
    assert.match(r.notApplied.join(), /^memory: an unprivileged user/);
  },
  "feels its limits of memory, processes and CPU time": async ({ run }) => {
    const fat = await run(["sh", "-c", "tail /dev/zero"], { memory: "16M" });
    assert.equal(fat.oomKilled, true);
    assert.ok(fat.peakMemory <= 16 * 2 ** 20);
    const many = await run(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do sleep 0.2 & done; wait"], { pidsLimit: 4 });
    assert.match(many.stderr, /fork/);
    const slow = await run(["sh", "-c", "while :; do :; done"], { cpus: 0.2, timeout: "1s" });
    assert.ok(slow.cpuTime < 0.4, `${slow.cpuTime} s of CPU time in a second of 0.2 CPUs`);
  },
};
