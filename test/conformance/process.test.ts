import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Spec } from "../../src/compile/spec.ts";
import { isRoot } from "../helpers/machine.ts";
import { Bundle, printed, processWith, shell } from "./bundle.ts";

const status = (field: string) => shell(`grep ${field} /proc/self/status | cut -f2`);

describe.skipIf(!isRoot)("config.md Process", () => {
  test("cwd", () => {
    expect(printed(shell("pwd"), processWith({ cwd: "/data" })).out).toBe("/data\n");
  });
  test("cwd that is not there is made", () => {
    const r = printed(shell("pwd; stat -c %a:%u ."), processWith({ cwd: "/data/new/one" }));
    expect(r).toMatchObject({ code: 0, out: "/data/new/one\n755:0\n" });
  });
  test("cwd in a mount", () => {
    const r = printed(shell("pwd"), processWith({ cwd: "/dev/shm/new" }));
    expect(r.out).toBe("/dev/shm/new\n");
  });
  test("cwd may be closed to the user", () => {
    using b = new Bundle(["sleep", "60"], processWith({ cwd: "/closed", user: { uid: 42, gid: 42 } }));
    mkdirSync(join(b.root, "closed"), { mode: 0o700 });
    expect(b.create().code).toBe(0);
    expect(b.start().code).toBe(0);
    // For exec, it may be closed to root without capabilities.
    expect(b.call(["exec", "--user", "7", b.id, "true"])).toMatchObject({ code: 0, err: "" });
  });
  test("args: a directory, or what cannot be executed, is refused at creation", () => {
    for (const file of ["/data", "data", "/etc/passwd"]) {
      using b = new Bundle([file], processWith({ env: ["PATH=/bin:/"] }));
      const r = b.create();
      expect(r.code).not.toBe(0);
      expect(r.err).toContain("permission denied");
    }
  });
  test("cwd that is not absolute is refused", () => {
    expect(printed(["true"], processWith({ cwd: "data" })).code).not.toBe(0);
  });
  test("env, and no other", () => {
    const r = printed(["env"], processWith({ env: ["PATH=/bin", "A=b=c", "EMPTY="] }));
    expect(
      r.out
        .split("\n")
        .filter((l) => l && !l.startsWith("HOME="))
        .sort(),
    ).toEqual(["A=b=c", "EMPTY=", "PATH=/bin"]);
  });
  test("env: HOME is that of the user where it is not given", () => {
    const home = (change: object) => printed(shell("echo $HOME"), processWith(change)).out;
    expect(home({ env: ["PATH=/bin"] })).toBe("/root\n");
    expect(home({ env: ["PATH=/bin", "HOME="] })).toBe("/root\n");
    expect(home({ env: ["PATH=/bin", "HOME=/x"] })).toBe("/x\n");
    expect(home({ env: ["PATH=/bin"], user: { uid: 99, gid: 99 } })).toBe("/\n");
  });
  test("args are looked up in the PATH of env", () => {
    expect(printed(["echo", "found"], processWith({ env: ["PATH=/nothing:/bin"] })).out).toBe("found\n");
  });
  test("args: at least one", () => {
    expect(printed(["true"], processWith({ args: [] })).code).not.toBe(0);
  });
  test("user: uid, gid, additionalGids, umask", () => {
    const user = { uid: 1000, gid: 1001, additionalGids: [5, 6], umask: 0o77 };
    const r = printed(shell("id -u; id -g; id -G; umask"), processWith({ user }));
    expect(r.out).toBe("1000\n1001\n1001 5 6\n0077\n");
  });
  test("capabilities: each set as it is given", () => {
    const sets = {
      bounding: ["CAP_KILL", "CAP_CHOWN"],
      permitted: ["CAP_KILL", "CAP_CHOWN"],
      effective: ["CAP_KILL"],
      inheritable: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
    };
    const words = shell("grep ^Cap /proc/self/status | cut -f2");
    const user = { uid: 1000, gid: 1000 };
    const r = printed(words, processWith({ capabilities: sets, user, noNewPrivileges: false }));
    const [inherited, permitted, effective, bounding, ambient] = r.out.trim().split("\n");
    expect(bounding).toBe("0000000000000021");
    expect(inherited).toBe("0000000000000020");
    expect(ambient).toBe("0000000000000020");
    // After execve(2) a user has what is ambient.
    expect([permitted, effective]).toEqual(["0000000000000020", "0000000000000020"]);
  });
  test("capabilities that the runtime lacks are told of, and left out", () => {
    const all = ["CAP_KILL", "CAP_SYS_TIME"];
    using b = new Bundle(
      status("CapBnd"),
      processWith({ capabilities: { bounding: all, permitted: all, effective: all } }),
    );
    const words = ["--bounding-set", "-sys_time", ...b.words("run", "--bundle", b.at, b.id)];
    const p = spawnSync("setpriv", words, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    expect(p).toMatchObject({ status: 0, stdout: "0000000000000020\n" });
    expect(p.stderr).toContain("CAP_SYS_TIME");
  });
  test("rlimits", () => {
    const rlimits = [{ type: "RLIMIT_NOFILE", soft: 123, hard: 456 }];
    expect(printed(shell("ulimit -n; ulimit -Hn"), processWith({ rlimits })).out).toBe("123\n456\n");
  });
  test("rlimits: a type twice is refused", () => {
    const one = { type: "RLIMIT_NOFILE", soft: 123, hard: 456 };
    expect(printed(["true"], processWith({ rlimits: [one, one] })).code).not.toBe(0);
  });
  test("noNewPrivileges", () => {
    expect(printed(status("NoNewPrivs")).out).toBe("1\n");
    expect(printed(status("NoNewPrivs"), processWith({ noNewPrivileges: false })).out).toBe("0\n");
  });
  test("oomScoreAdj", () => {
    expect(printed(["cat", "/proc/self/oom_score_adj"], processWith({ oomScoreAdj: 100 })).out).toBe("100\n");
  });
  test("oomScoreAdj in a user namespace, and where there is no /proc", () => {
    const map = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    // Below what it was only where the machine lets root do so.
    const lowered = spawnSync("sh", ["-c", "echo -100 > /proc/self/oom_score_adj"]).status === 0;
    const oomScoreAdj = lowered ? -100 : 100;
    const users = (spec: Spec) => ({
      ...processWith({ oomScoreAdj })(spec),
      linux: {
        ...spec.linux,
        namespaces: [...(spec.linux?.namespaces ?? []), { type: "user" }],
        uidMappings: map,
        gidMappings: map,
      },
    });
    expect(printed(["cat", "/proc/self/oom_score_adj"], users).out).toBe(`${oomScoreAdj}\n`);
    const without = (spec: Spec) => ({ ...processWith({ oomScoreAdj: 100 })(spec), mounts: [] });
    expect(printed(["true"], without).code).toBe(0);
  });
  test("ioPriority", () => {
    const ioPriority = { class: "IOPRIO_CLASS_IDLE", priority: 0 };
    expect(printed(["true"], processWith({ ioPriority })).code).toBe(0);
  });
  test("scheduler", () => {
    const r = printed(
      shell("cut -d' ' -f19,41 /proc/self/stat"),
      processWith({ scheduler: { policy: "SCHED_BATCH", nice: 7 } }),
    );
    expect(r.out).toBe("7 3\n");
  });
  test("no signal is blocked, and none ignored that its caller does not ignore", () => {
    expect(printed(shell("grep -E '^Sig(Blk|Ign)' /proc/self/status | cut -f2")).out).toBe(
      "0000000000000000\n0000000000000000\n",
    );
  });
  test("no file descriptor but the three", () => {
    expect(printed(["ls", "/proc/self/fd"]).out.trim().split("\n").length).toBeLessThanOrEqual(4);
  });
  test("terminal: a console over the socket, of the size given", async () => {
    using b = new Bundle(
      shell("tty; test -t 0 && test -t 1 && test -t 2 && echo all; ls -l /dev/console | cut -c1"),
      (s) => ({
        ...s,
        process: { ...s.process, terminal: true, consoleSize: { height: 25, width: 90 } },
      }),
    );
    const socket = join(b.at, "console");
    const receiver = join(b.at, "receive.py");
    // The descriptor comes as a control message, which JavaScript cannot take.
    writeFileSync(
      receiver,
      `import socket,array,os,sys,fcntl,struct,termios
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("listening", flush=True)
c,_=s.accept(); m,a,f,_=c.recvmsg(100, socket.CMSG_SPACE(4)); fd=array.array("i", a[0][2])[0]
print("size", struct.unpack("HHHH", fcntl.ioctl(fd, termios.TIOCGWINSZ, b"\\0"*8))[:2], flush=True)
try:
  while True:
    d=os.read(fd, 4096)
    if not d: break
    os.write(1, d)
except OSError: pass
`,
    );
    const p = Bun.spawn(["python3", receiver, socket], { stdout: "pipe" });
    const text = new Response(p.stdout).text();
    for (let i = 0; i < 200 && !existsSync(socket); i++) await Bun.sleep(20);
    expect(b.create("--console-socket", socket).code).toBe(0);
    b.start();
    await b.until("stopped");
    const got = (await text).replaceAll("\r", "");
    expect(got).toContain("size (25, 90)");
    expect(got).toContain("/dev/pts/0\nall\nc\n");
  });
  test("terminal: into a pipe, lines end as they were written", () => {
    using b = new Bundle(shell("echo one; echo two"), processWith({ terminal: true }));
    expect(b.run()).toMatchObject({ code: 0, out: "one\ntwo\n" });
  });
  test("CPUs: those of the container, whatever the runtime is kept on", () => {
    using b = new Bundle(shell("grep Cpus_allowed: /proc/self/status; sleep 60"));
    const own = readFileSync("/proc/self/status", "utf8").match(/^Cpus_allowed:.*$/m)?.[0];
    const words = b.words("create", "--bundle", b.at, b.id);
    const [out, pinned] = [join(b.at, "out"), ["taskset", "-c", "0"]];
    spawnSync("sh", ["-c", `exec "$@" > ${out} 2>&1 < /dev/null`, "sh", ...pinned, ...words], { stdio: "ignore" });
    expect(b.start().code).toBe(0);
    const status = ["grep", "Cpus_allowed:", "/proc/self/status"];
    const exec = spawnSync("taskset", ["-c", "0", ...b.words("exec", b.id, ...status)], { encoding: "utf8" });
    expect(exec.stdout.trim()).toBe(own ?? "");
    expect(b.written().out.trim()).toBe(own ?? "");
  });
  test("capabilities: what cannot be ambient is told of", () => {
    const sets = {
      bounding: ["CAP_KILL", "CAP_CHOWN"],
      permitted: ["CAP_KILL", "CAP_CHOWN"],
      inheritable: ["CAP_KILL"],
    };
    const capabilities = { ...sets, ambient: ["CAP_KILL", "CAP_CHOWN"] };
    const r = printed(shell("grep CapAmb /proc/self/status"), processWith({ capabilities }));
    expect(r).toMatchObject({ code: 0, out: "CapAmb:\t0000000000000020\n" });
    expect(r.err).toContain("can't raise ambient capability CAP_CHOWN");
    const none = processWith({ capabilities: { ...capabilities, inheritable: [] } });
    const out = "CapAmb:\t0000000000000000\n";
    expect(printed(shell("grep CapAmb /proc/self/status"), none)).toMatchObject({ code: 0, out, err: "" });
  });
  test("terminal: a read-only /dev has its console all the same", () => {
    using b = new Bundle(shell("grep -c ' /dev/console ' /proc/self/mountinfo; touch /dev/x"), (s) => ({
      ...s,
      process: { ...s.process, terminal: true },
      mounts: s.mounts?.map((m) => (m.destination === "/dev" ? { ...m, options: [...(m.options ?? []), "ro"] } : m)),
    }));
    // script(1) gives it a terminal, which an attached runtime needs.
    const p = spawnSync("script", ["-qec", b.command(), "/dev/null"], { encoding: "utf8", input: "" });
    expect(p.stdout).toContain("1\r\n");
    expect(p.stdout).toContain("Read-only file system");
  });
  test("terminal: without a socket, create is refused", () => {
    using b = new Bundle(["true"], processWith({ terminal: true }));
    expect(b.create().code).not.toBe(0);
  });
});

describe.skipIf(!isRoot)("config.md Root, Hostname", () => {
  test("root.path: absolute, and relative to the bundle", () => {
    expect(printed(["true"]).code).toBe(0);
    using b = new Bundle(["echo", "absolute"]);
    b.rewrite((spec) => ({ ...spec, root: { path: b.root } }));
    expect(b.run().out).toBe("absolute\n");
  });
  test("root.path: a directory that is not there is refused", () => {
    expect(printed(["true"], (s) => ({ ...s, root: { path: "nothing" } })).code).not.toBe(0);
  });
  test("root.readonly", () => {
    expect(printed(["touch", "/x"], (s) => ({ ...s, root: { path: "rootfs", readonly: true } })).code).not.toBe(0);
    expect(printed(["touch", "/x"]).code).toBe(0);
  });
  test("hostname, domainname", () => {
    const r = printed(["cat", "/proc/sys/kernel/hostname"]);
    expect(r.out).toBe("conformance\n");
  });
  test("an empty hostname is none", () => {
    const own = readFileSync("/proc/sys/kernel/hostname", "utf8");
    expect(printed(["cat", "/proc/sys/kernel/hostname"], (s) => ({ ...s, hostname: "" })).out).toBe(own);
  });
  test("hostname without a UTS namespace is refused", () => {
    const r = printed(["true"], (s) => ({
      ...s,
      linux: { ...s.linux, namespaces: s.linux?.namespaces?.filter((n) => n.type !== "uts") },
    }));
    expect(r.code).not.toBe(0);
  });
});
