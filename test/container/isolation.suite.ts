import assert from "node:assert/strict";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Namespaces, users, devices and system calls, as Node and Bun both must have them. */
type Library = typeof import("../../src/index.ts");

/** arm64 has no mkdir(2): there mkdir(1) calls mkdirat(2). */
const isArm = process.arch === "arm64";
const MKDIR = isArm ? "mkdirat" : "mkdir";

const ids = (start: number) => [{ container: 0, host: start, size: 65536 }];

/** Ids of the root are mapped by mount, where its file system can do that. */
const rootMapsIds = async ({ run }: Library) =>
  !(await run(["true"], { namespaces: { user: "auto" } })).notApplied.some((n) => n.startsWith("idMap"));

const CAP_SYS_RESOURCE = 24n;
const hasCapability = (n: bigint) => {
  const mask = /^CapEff:\s*(\w+)/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return ((BigInt(`0x${mask}`) >> n) & 1n) === 1n;
};

export const cases: Readonly<Record<string, (c: Library) => Promise<void>>> = {
  "each namespace is its own, the host's, another container's or a file's": async ({ run, container }) => {
    const kinds = { pid: "pid", ipc: "ipc", uts: "uts", cgroup: "cgroup", time: "time" } as const;
    const read = ["sh", "-c", "for k in pid ipc uts cgroup time; do readlink /proc/self/ns/$k; done"];
    const host = Object.values(kinds).map((k) => `${k}:[${/\d+/.exec(String(statSync(`/proc/self/ns/${k}`).ino))}]`);
    const own = (await run(read, { clock: { monotonic: 1 } })).stdout.trim().split("\n");
    for (const [i, ns] of own.entries()) assert.notEqual(ns, host[i]);
    const namespaces = { pid: "host", ipc: "host", uts: "host", cgroup: "host", time: "host" } as const;
    assert.deepEqual((await run(read, { namespaces })).stdout.trim().split("\n"), host);
    const one = await container({ clock: { monotonic: 1 } });
    try {
      const others = (await one.run(read)).stdout;
      const shared = Object.fromEntries(Object.keys(kinds).map((k) => [k, { container: one.name }]));
      assert.equal((await run(read, { namespaces: shared })).stdout, others);
      const paths = Object.fromEntries(
        Object.entries(kinds).map(([k, file]) => [k, { path: `/proc/${one.pid}/ns/${file}` }]),
      );
      assert.equal((await run(read, { namespaces: paths })).stdout, others);
      // Its mounts as they are: what it wrote is there.
      await one.run(["sh", "-c", "echo seen > /tmp/only-there"]);
      const joined = await run(["cat", "/tmp/only-there"], { namespaces: { mount: { container: one.name } } });
      assert.equal(joined.stdout, "seen\n");
    } finally {
      await one.dispose();
    }
  },
  "a namespace that is gone, or of another kind, is refused before anything is touched": async ({ run }) => {
    await assert.rejects(
      run(["true"], { namespaces: { ipc: { path: "/proc/self/ns/uts" } } }),
      /namespaces\.ipc: .* is not a ipc namespace: it is a uts namespace/,
    );
    await assert.rejects(run(["true"], { namespaces: { ipc: { path: "/etc/passwd" } } }), /is not a ipc namespace/);
    await assert.rejects(
      run(["true"], { namespaces: { ipc: { container: "nobody-there" } } }),
      /no container is named/,
    );
    await assert.rejects(
      run(["true"], { namespaces: { ipc: "yes" as "new" } }),
      /namespaces\.ipc: .* is not "new", "host"/,
    );
    await assert.rejects(
      run(["true"], { namespaces: { nothing: "new" } as object }),
      /namespaces: "nothing" is not one of/,
    );
  },
  "a range of ids of its own, and its files as they are": async (c) => {
    const { run } = c;
    const dir = mkdtempSync(join(tmpdir(), "caisson-ids-"));
    try {
      writeFileSync(join(dir, "in"), "x");
      const r = await run(
        [
          "sh",
          "-c",
          "cat /proc/self/uid_map; id -u; stat -c %u /etc/passwd /mnt/in; touch /mnt/out && stat -c %u /mnt/out",
        ],
        { namespaces: { user: "auto" }, volumes: { "/mnt": dir } },
      );
      assert.match(r.stdout, /^\s+0\s+\d{9,}\s+65536\n0\n/);
      if (!(await rootMapsIds(c))) return console.log(`skipped: the rest of ids: ${r.notApplied.join("; ")}`);
      assert.match(r.stdout, /\n0\n0\n0\n0\n$/);
      // On the host they are root's as before: nothing was given to anybody.
      assert.equal(statSync(join(dir, "out")).uid, 0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  },
  "two containers have ranges that do not overlap": async ({ container }) => {
    const make = () => container({ namespaces: { user: "auto" } });
    const [a, b] = [await make(), await make()];
    try {
      const start = async (box: typeof a) =>
        Number((await box.run(["cat", "/proc/self/uid_map"])).stdout.trim().split(/\s+/)[1]);
      const [first, second] = [await start(a), await start(b)];
      assert.ok(Math.abs(first - second) >= 65536, `${first} and ${second}`);
    } finally {
      await a.dispose();
      await b.dispose();
    }
  },
  "with ids of its own, too, a hard limit may be above the caller's": async ({ run }) => {
    const above = { namespaces: { user: "auto" }, ulimits: { msgqueue: 1 << 24 } } as const;
    if (!hasCapability(CAP_SYS_RESOURCE)) {
      await assert.rejects(run(["true"], above), /RLIMIT_MSGQUEUE: EPERM/);
      return console.log("skipped: the limit itself: this root has no CAP_SYS_RESOURCE");
    }
    assert.equal((await run(["bash", "-c", "ulimit -Hq"], above)).stdout.trim(), String(1 << 24));
  },
  "maps of ids that overlap, or lack a root, are refused": async ({ run }) => {
    const gid = ids(100000);
    const overlapping = [...ids(100000), { container: 70000, host: 120000, size: 10 }];
    await assert.rejects(run(["true"], { idMap: { uid: overlapping, gid } }), /idMap\.uid: .* does not overlap/);
    await assert.rejects(
      run(["true"], { idMap: { uid: [{ container: 1, host: 5, size: 1 }], gid } }),
      /id 0 of the container/,
    );
  },
  "a device by a name of its own, with less access than the host has; and no other": async ({ run }) => {
    const r = await run(
      [
        "sh",
        "-c",
        "head -c 2 /dev/data | wc -c; (: > /dev/data) 2>&1; : > /dev/null && echo null; mknod /tmp/z c 1 5; (: < /tmp/z) 2>&1",
      ],
      { devices: { "/dev/data": { source: "/dev/zero", access: "r" } }, capAdd: ["MKNOD"] },
    );
    assert.match(r.stdout, /^2\n/);
    assert.match(r.stdout, /null/);
    await assert.rejects(
      run(["true"], { devices: { "/dev/x": "/etc/passwd" } }),
      /devices: "\/etc\/passwd" is not a device/,
    );
    await assert.rejects(run(["true"], { devices: { "/etc/x": "/dev/null" } }), /a path below \/dev/);
  },
  "devices that are allowed by rules, beside those that every container has and those that are given": async ({
    run,
  }) => {
    const script =
      "mknod /tmp/kmsg c 1 11; (: </tmp/kmsg) 2>/dev/null && echo kmsg; mknod /tmp/mem c 1 1; (: </tmp/mem) 2>/dev/null && echo mem; head -c1 /dev/more >/dev/null 2>&1 && echo more; head -c1 /dev/urandom >/dev/null && echo urandom";
    const tried = async (options: object) =>
      (await run(["sh", "-c", script], { capAdd: ["MKNOD", "SYSLOG"], ...options })).stdout;
    const limits = { devices: { allow: ["c 1:11 r"] } };
    assert.equal(await tried({ limits }), "kmsg\nurandom\n");
    assert.equal(await tried({ limits, devices: ["/dev/zero:/dev/more:r"] }), "kmsg\nmore\nurandom\n");
    assert.equal(await tried({ limits: { devices: { deny: ["/dev/urandom r"] } } }), "");
  },
  "devices come and go while it runs": async ({ container, addDevices, removeDevices }) => {
    for (const options of [{}, { namespaces: { user: "auto" } } as const]) {
      const box = await container(options);
      try {
        await addDevices(box.name, ["/dev/zero:/dev/more"]);
        assert.equal((await box.run(["sh", "-c", "head -c 3 /dev/more | wc -c"])).stdout, "3\n");
        await assert.rejects(addDevices(box.name, ["/dev/zero:/dev/more"]), /add \/dev\/more: EEXIST/);
        await assert.rejects(
          removeDevices(box.name, ["/dev/more", "/etc/hostname"]),
          /remove \/etc\/hostname: it is not a device/,
        );
        await removeDevices(box.name, ["/dev/more"]);
        assert.notEqual((await box.run(["ls", "/dev/more"])).exitCode, 0);
      } finally {
        await box.dispose();
      }
    }
  },
  "functions answer system calls: errnos, values, files, and what they read and write": async ({ run }) => {
    const seen: string[] = [];
    const r = await run(["sh", "-c", "mkdir /x; cat /etc/hostname; hostname"], {
      hostname: "real",
      onSyscall: {
        [MKDIR]: async (call) => {
          seen.push(await call.readString(call.args[isArm ? 1 : 0] ?? 0n));
          return { errno: "EXDEV" };
        },
        openat: async (call) =>
          (await call.readString(call.args[1] ?? 0n)) === "/etc/hostname"
            ? { fd: openSync("/etc/issue", "r") }
            : "continue",
      },
    });
    assert.deepEqual(seen, ["/x"]);
    assert.match(r.stderr, /[Ii]nvalid cross-device link/);
    assert.equal(r.stdout, `${readFileSync("/etc/issue", "utf8")}real\n`);
    assert.deepEqual(r.handlerErrors, []);
  },
  "a function that throws refuses, one that is late times out, one for no system call is refused": async ({ run }) => {
    const thrown = await run(["mkdir", "/x"], {
      onSyscall: {
        [MKDIR]: () => {
          throw new Error("my mistake");
        },
      },
    });
    assert.match(thrown.stderr, /not permitted/);
    assert.equal(thrown.handlerErrors[0]?.message, "my mistake");
    const late = await run(["mkdir", "/x"], {
      onSyscall: { [MKDIR]: () => new Promise(() => {}) },
      syscallDeadline: "50ms",
    });
    assert.match(late.stderr, /timed out/i);
    // One that only another architecture has is never made.
    assert.equal((await run(["true"], { onSyscall: { _newselect: () => "continue" } })).exitCode, 0);
    await assert.rejects(
      run(["true"], { onSyscall: { nothing: () => "continue" } }),
      /onSyscall: "nothing" is not the name/,
    );
    await assert.rejects(
      run(["true"], { answer: ["all"] as never }),
      /answer: "all" is not one of mknod, mount, sysinfo/,
    );
  },
  "commands end, many at once, before it is heard of where their calls would be answered": async ({ run }) => {
    const once = () => run(["true"], { onSyscall: { [MKDIR]: () => "continue" } });
    const all = await Promise.all(Array.from({ length: 40 }, once));
    assert.deepEqual(new Set(all.map((r) => r.exitCode)), new Set([0]));
  },
  "processes that are started in a container have their calls answered, too": async ({ container }) => {
    const box = await container({ onSyscall: { [MKDIR]: () => ({ errno: "EXDEV" }) } });
    try {
      const all = await Promise.all([1, 2, 3].map((n) => box.run(["mkdir", `/x${n}`])));
      for (const r of all) assert.match(r.stderr, /cross-device/);
    } finally {
      await box.dispose();
    }
  },
  "mknod is answered for the container's own devices, with ids of its own as well": async ({ run }) => {
    for (const options of [{}, { namespaces: { user: "auto" } } as const]) {
      const r = await run(
        ["sh", "-c", "mkdir /n && cd /n; mknod zero c 1 5 && head -c 3 zero | wc -c; mknod disk b 8 0"],
        {
          answer: ["mknod"],
          workdir: "/",
          ...options,
        },
      );
      assert.equal(r.stdout, "3\n", r.stderr);
      assert.match(r.stderr, /disk.*not permitted/);
      assert.deepEqual(r.handlerErrors, []);
    }
  },
  "mounts that show nothing new are answered, others refused": async ({ run }) => {
    const r = await run(
      [
        "sh",
        "-c",
        "mkdir /a /b; echo hi > /a/f; mount --bind /a /b && cat /b/f; umount /b; ls /b; mount -t tmpfs -o size=1m t /b && df /b | tail -1; umount /proc; mount -t proc p /b; mount -o remount,rw /proc/sys",
      ],
      { answer: ["mount"], workdir: "/" },
    );
    assert.match(r.stdout, /^hi\ntmpfs +1024 /);
    assert.equal(
      r.stderr
        .trim()
        .split("\n")
        .filter((l) => /permission denied|not permitted|must be superuser/.test(l)).length,
      3,
      r.stderr,
    );
  },
  "nothing that is hidden is shown by mounts that are answered, nor uncovered": async ({ run }) => {
    const script = `
      mkdir /proc2 /sys2 /x /x/sys /new; V=$(cat /proc/sys/kernel/core_pattern)
      mount --bind /proc /proc2 && { echo "$V" > /proc2/sys/kernel/core_pattern; } 2> /dev/null || echo read-only
      mount --bind /sys /sys2 && ls /sys2/firmware | wc -l
      mount -t overlay -o lowerdir=/sys o /new || echo refused
      mount -t tmpfs t /x/sys && mv /x /y && ln -s /proc /x
      umount /x/sys || echo not mine
      { echo "$V" > /proc/sys/kernel/core_pattern; } 2> /dev/null || echo read-only
      rm /x && mv /y /x && umount /x/sys && echo mine
      setpriv --reuid 5 mount -t tmpfs t /opt || echo refused
      mount -t tmpfs t /new && cd /new && mkdir low up work all && echo text > low/file
      mount -t overlay -o lowerdir=/new/low,upperdir=/new/up,workdir=/new/work o /new/all && cat all/file && echo more > all/file && cat up/file`;
    const r = await run(["sh", "-c", script], { answer: ["mount"], workdir: "/" });
    const lines = ["read-only", "0", "refused", "not mine", "read-only", "mine", "refused", "text", "more", ""];
    assert.equal(r.stdout, lines.join("\n"), r.stderr);
    const own = await run(["sh", "-c", "mount -t tmpfs t /opt && grep -c /opt /proc/self/mountinfo"], {
      ...{ answer: ["mount"], user: "5", workdir: "/" },
    });
    assert.equal(own.stdout, "1\n", own.stderr);
  },
  "a file system of the caller's own making (FUSE) is mounted by the connection that he has open": async ({ run }) => {
    const script = `open(F, "+<", "/dev/fuse") or die "open: $!"; my $d = "fd=" . fileno(F) . ",rootmode=40000,user_id=0,group_id=0";
      syscall(165, my $s = "x", my $t = "/mnt", my $k = "fuse.own", 6, $d) == 0 or die "mount: $!"; print grep { / \\/mnt / } do { open(M, "/proc/self/mountinfo"); <M> }`;
    if (process.arch !== "x64") return console.log("skipped: FUSE by its system call: the numbers here are x86-64's");
    if (!existsSync("/dev/fuse")) return console.log("skipped: FUSE: the kernel has no /dev/fuse");
    const r = await run(["perl", "-e", script], { answer: ["mount"], devices: ["/dev/fuse"], workdir: "/" });
    assert.match(r.stdout, / \/mnt .*nosuid,nodev.* - fuse/, r.stderr);
  },
  "a file system of the caller's that answers nothing keeps nobody else waiting": async ({ run }) => {
    const own = `open(F, "+<", "/dev/fuse") or die "open: $!"; my $d = "fd=" . fileno(F) . ",rootmode=40000,user_id=0,group_id=0";
      syscall(165, my $s = "x", my $t = "/mnt", my $k = "fuse.own", 6, $d) == 0 or die "mount: $!"; $| = 1; print "mounted\\n";
      my ($n, $b, $m) = ("tmpfs", "/mnt/below", "");
      syscall(165, $n, $b, $n, 0, $m) == 0 or print "refused: $!\\n"; syscall(166, $t, 0) == 0 and print "gone\\n"`;
    if (process.arch !== "x64" || !existsSync("/dev/fuse")) return console.log("skipped: FUSE, as above");
    const r = await run(["perl", "-e", own], {
      answer: ["mount"],
      devices: ["/dev/fuse"],
      workdir: "/",
      timeout: "30s",
    });
    assert.equal(r.stdout, "mounted\nrefused: Connection timed out\ngone\n", r.stderr);
    assert.equal((await run(["echo", "next"])).stdout, "next\n");
  },
  "which system call was refused, and which one it was killed for": async ({ run }) => {
    const refused = await run(["unshare", "-m", "true"], { reportBlocked: true });
    assert.equal(refused.blockedSyscall?.name, "unshare");
    assert.equal(refused.blockedSyscall?.action, "refused");
    assert.equal(refused.blockedSyscall?.args[0], 0x20000n);
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["sync"], action: "SCMP_ACT_KILL_PROCESS" }],
    } as const;
    const killed = await run(["sync"], { reportBlocked: true, seccomp });
    assert.deepEqual([killed.signal, killed.exitCode, killed.blockedSyscall?.name], ["SIGSYS", 159, "sync"]);
  },
  "what it does is learned, and the profile of that allows it and no more": async ({ run }) => {
    const { learnedSyscalls: names } = await run(["cat", "/etc/hostname"], { learn: true });
    assert.ok(names.includes("openat") && names.includes("execve") && !names.includes(MKDIR), names.join());
    const seccomp = { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names, action: "SCMP_ACT_ALLOW" }] } as const;
    assert.equal((await run(["cat", "/etc/hostname"], { seccomp })).exitCode, 0);
    assert.notEqual((await run(["mkdir", "/x"], { seccomp })).exitCode, 0);
  },
  "paths that can be opened at all": async ({ run }) => {
    const paths = {
      readOnly: ["/usr", "/lib", "/lib64", "/bin", "/etc/hostname"].filter((p) => existsSync(p)),
      readWrite: ["/var/tmp"],
    };
    const r = await run(
      [
        "sh",
        "-c",
        "cat /etc/hostname; cat /etc/passwd; echo x > /var/tmp/x && cat /var/tmp/x; echo x > /usr/x; ls /root",
      ],
      { paths },
    );
    assert.equal(r.stdout, `${readFileSync("/etc/hostname", "utf8")}x\n`);
    assert.equal(r.stderr.match(/Permission denied/g)?.length, 3);
    await assert.rejects(run(["true"], { paths, noNewPrivileges: false }), /paths: "given" is not of use/);
    await assert.rejects(
      run(["true"], { paths: { readOnly: ["usr"] } }),
      /paths\.readOnly: "usr" is not an absolute path/,
    );
  },
  "profiles are options below those that are given": async ({ run }) => {
    const r = await run(["sh", "-c", "id -u; cat /etc/shadow; touch /x; cat /proc/self/status"], {
      profile: "untrusted",
      pidsLimit: 50,
    });
    assert.match(r.stdout, /^65534\n/);
    assert.match(r.stdout, /CapBnd:\t0000000000000000/);
    assert.match(r.stderr, /shadow: Permission denied/);
    assert.match(r.stderr, /Read-only file system/);
    await assert.rejects(
      run(["true"], { profile: "safe" as "build" }),
      /profile: "safe" is not one of untrusted, build, service, system, privileged/,
    );
  },
  "what it sees of memory and CPUs is its own": async ({ run }) => {
    const r = await run(
      [
        "sh",
        "-c",
        "nproc; cat /sys/devices/system/cpu/online; grep MemTotal /proc/meminfo; cut -d. -f1 /proc/uptime; grep -c ^processor /proc/cpuinfo",
      ],
      {
        view: true,
        memory: "128M",
        cpus: 1,
      },
    );
    // Its uptime is its own: some seconds, as slow as the machine may be.
    assert.match(r.stdout.replace(/ +/g, " "), /^1\n0\nMemTotal: 131072 kB\n\d\d?\n1\n$/);
    assert.deepEqual(r.handlerErrors, []);
  },
  "what it sees of memory is true whenever it looks": async ({ run }) => {
    const r = await run(
      ["sh", "-c", "grep MemFree /proc/meminfo; head -c 50000000 /dev/zero > /dev/shm/x; grep MemFree /proc/meminfo"],
      { view: true, memory: "256M" },
    );
    const [before = 0, after = 0] = [...r.stdout.matchAll(/MemFree: +(\d+)/g)].map((m) => Number(m[1]));
    assert.ok(before - after > 45_000 && before - after < 60_000, r.stdout);
  },
  "clocks are shifted by what is said, and never run backwards": async ({ run }) => {
    const read =
      "my $last = 0; for (1..5) { open(my $f, '<', '/proc/uptime'); my ($t) = split ' ', <$f>; die 'backwards' if $t < $last; $last = $t } print int $last";
    // With a user namespace it is the container's own process that has the right to.
    for (const more of [{}, { rootless: true }, { namespaces: { user: "auto" } }] as const) {
      const r = await run(["perl", "-e", read], { clock: { monotonic: "+1h", boottime: "+10d" }, ...more });
      const own = Number(readFileSync("/proc/uptime", "utf8").split(".")[0]);
      assert.ok(Math.abs(Number(r.stdout) - own - 864_000) < 10, `${r.stdout} and ${own}`);
    }
    await assert.rejects(run(["true"], { clock: { monotonic: "soon" } }), /clock\.monotonic: "soon" is not a duration/);
    await assert.rejects(run(["true"], { clock: { realtime: 1 } as object }), /clock: "realtime" is not one of/);
  },
  "what cannot be applied is an error where that is asked for": async ({ run }) => {
    const o = { rootless: true, memory: "64M" } as const;
    assert.match((await run(["true"], o)).notApplied.join(), /memory/);
    await assert.rejects(run(["true"], { ...o, strict: true }), /strict: not everything can be applied: memory/);
  },
  "a time of day of its own, and monotonic time as it was": async ({ run }) => {
    if (process.arch !== "x64") return console.log("skipped: a time of day of its own: this is not x86-64");
    const r = await run(["sh", "-c", "date -u +%Y-%m-%dT%H:%M; cut -d. -f1 /proc/uptime; perl -e 'print time'"], {
      date: "2038-01-19T03:14:00Z",
    });
    const [date = "", uptime = "", seconds = ""] = r.stdout.split("\n");
    assert.ok(["2038-01-19T03:13", "2038-01-19T03:14"].includes(date), date);
    assert.ok(Math.abs(Number(uptime) - Number(readFileSync("/proc/uptime", "utf8").split(".")[0])) < 5);
    assert.ok(Math.abs(Number(seconds) - 2147483640) < 5, seconds);
    await assert.rejects(run(["true"], { date: "tomorrow" }), /date: "tomorrow" is not a time/);
  },
};
