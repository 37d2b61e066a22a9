/** Known ways out of containers, tried for real. Each says what is tried, and what stops it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ContainerOptions, container, run } from "../../src/index.ts";
import { sh } from "../helpers/command.ts";
import { isRoot, type leftovers, settled } from "../helpers/machine.ts";

const kinds: Readonly<Record<string, ContainerOptions>> = {
  root: {},
  "ids of its own": { namespaces: { user: "auto" } },
  rootless: { rootless: true },
};
const each = (name: string, attack: (o: ContainerOptions) => Promise<void>) => {
  for (const [kind, options] of Object.entries(kinds))
    test.skipIf(!isRoot)(`${name} (${kind})`, () => attack(options), 60_000);
};
const shell = (script: string, o: ContainerOptions = {}) => run(["sh", "-c", script], { workdir: "/", ...o });

let before: ReturnType<typeof leftovers>;
let dir: string;
beforeAll(async () => {
  if (!isRoot) return;
  dir = mkdtempSync(join(tmpdir(), "caisson-attack-"));
  await run(["true"]);
  before = await settled();
});
afterAll(async () => {
  if (!isRoot) return;
  rmSync(dir, { recursive: true });
  expect(await settled()).toEqual(before);
});

/** A root filesystem of busybox, with what an image could have in it. */
function rootfs(name: string, prepare: (root: string) => void): string {
  const root = join(dir, name);
  for (const d of ["bin", "proc", "sys", "dev", "tmp", "etc"]) mkdirSync(join(root, d), { recursive: true });
  execFileSync("cp", ["/bin/busybox", join(root, "bin/busybox")]);
  symlinkSync("busybox", join(root, "bin/sh"));
  prepare(root);
  return root;
}

each(
  "writing to the program that made the container, by /proc/PID/exe: it is a sealed copy, and closed to others (CVE-2019-5736)",
  async (o) => {
    const box = await container(o);
    try {
      const r = await box.run([
        "sh",
        "-c",
        "for p in /proc/[0-9]*; do (: >> $p/exe) 2>/dev/null && readlink $p/exe; done; true",
      ]);
      expect(r.stdout).not.toMatch(/executor|caisson/);
    } finally {
      await box.dispose();
    }
  },
);

each(
  "a working directory that is a descriptor of the host's: none is open when it is entered (CVE-2024-21626)",
  async (o) => {
    for (let fd = 3; fd < 20; fd++) {
      const result = await run(["sh", "-c", "cat ../../../../../../../etc/hostname; pwd -P; ls"], {
        ...o,
        workdir: `/proc/self/fd/${fd}`,
      }).catch((e: Error) => e);
      expect(result).toBeInstanceOf(Error);
      expect(String(result)).toMatch(/enter the working directory|is not/);
    }
  },
);

each("a working directory or command that climbs out: both are looked up once the host's root is gone", async (o) => {
  const r = await run(["/../../../../bin/cat", "/proc/1/root/etc/hostname"], {
    ...o,
    workdir: "/proc/1/root/../../..",
  });
  expect(r.stdout).toBe(readFileSync("/etc/hostname", "utf8"));
  await expect(run(["true"], { ...o, workdir: "../.." })).rejects.toThrow(/workdir/);
});

test.skipIf(!isRoot)(
  "a link in the root filesystem where something is to be mounted: it leads within the root (CVE-2025-31133, CVE-2025-52881)",
  async () => {
    const outside = join(dir, "outside");
    mkdirSync(outside);
    for (const [i, [at, target]] of [
      ["mnt", outside],
      ["mnt", `../../../../../../..${outside}`],
      ["dev", outside],
      ["tmp", outside],
    ].entries()) {
      const root = rootfs(`link-${i}`, (r) => {
        rmSync(join(r, at as string), { recursive: true, force: true });
        symlinkSync(target as string, join(r, at as string));
      });
      await run(["sh", "-c", "true"], {
        rootfs: root,
        volumes: { "/mnt/volume": "/etc" },
        tmpfs: { "/tmp": "" },
      }).catch(() => {});
      expect(readdirSync(outside)).toEqual([]);
    }
  },
);

test.skipIf(!isRoot)(
  "procfs in the place of a link, or another file system where procfs is to be: refused",
  async () => {
    const root = rootfs("proc-link", (r) => {
      rmSync(join(r, "proc"), { recursive: true });
      mkdirSync(join(r, "real-proc"));
      symlinkSync("/real-proc", join(r, "proc"));
    });
    await expect(run(["sh", "-c", "true"], { rootfs: root })).rejects.toThrow(/find \/proc in the container: ELOOP/);
    // A tmpfs below or above it is a mount like others: what is masked in /proc is masked on the procfs that was made.
    await expect(run(["sh", "-c", "true"], { tmpfs: { "/proc/sys": "" } })).resolves.toMatchObject({ exitCode: 0 });
  },
);

each(
  "the files by which the kernel is told what to run: release_agent, core_pattern, modprobe, sysrq, hotplug",
  async (o) => {
    const files = [
      "/proc/sys/kernel/core_pattern",
      "/proc/sys/kernel/modprobe",
      "/proc/sys/vm/panic_on_oom",
      "/proc/sysrq-trigger",
      "/sys/kernel/uevent_helper",
      "/proc/sys/fs/binfmt_misc/register",
    ];
    const kept = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
    const r = await shell(
      `for f in ${files.join(" ")}; do (echo x > $f) 2>/dev/null && echo "$f written"; done; mkdir -p /tmp/c; mount -t cgroup -o memory c /tmp/c 2>/dev/null && echo mounted; ls /sys/fs/cgroup | wc -l`,
      o,
    );
    expect(r.stdout).toBe("0\n");
    expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(kept);
  },
);

each("signals and traces to processes of the host: they are not in its PID namespace", async (o) => {
  const child = Bun.spawn(["sleep", "30"]);
  try {
    const r = await shell(`kill -9 ${child.pid} 2>&1; ls -d /proc/${child.pid} 2>&1; true`, o);
    expect(r.stdout).toMatch(/No such process|not permitted/);
    expect(child.killed).toBe(false);
    expect(existsSync(`/proc/${child.pid}`)).toBe(true);
  } finally {
    child.kill("SIGKILL");
  }
});

each(
  "tracing the process that enters (exec), or reading its memory and files: it is not dumpable until its own exec",
  async (o) => {
    // That capability over the host itself is stronger, and has a case of its own.
    const overItself = o.rootless || o.namespaces?.user !== undefined;
    const box = await container({ ...o, ...(overItself && { capAdd: ["SYS_PTRACE"] }) });
    try {
      const spy = await box.spawn([
        "sh",
        "-c",
        "while :; do for p in /proc/[0-9]*; do [ $p = /proc/1 ] || [ $p = /proc/$$ ] || { grep -E 'memfd:caisson|executor-' $p/maps 2>/dev/null; ls -l $p/fd 2>/dev/null | grep -E 'executor|caisson-|/run/caisson'; }; done; done",
      ]);
      let seen = "";
      spy.stdout?.on("data", (chunk) => {
        seen += String(chunk);
      });
      for (let i = 0; i < 10; i++) expect((await box.run(["true"])).exitCode).toBe(0);
      spy.kill("SIGKILL");
      await spy.ended;
      expect(seen).toBe("");
    } finally {
      await box.dispose();
    }
  },
);

test.skipIf(!isRoot)(
  "tracing with CAP_SYS_PTRACE over the host itself: no process of ours that it sees has rights that it has not",
  async () => {
    const box = await container({ capAdd: ["SYS_PTRACE"] });
    try {
      // The first process, and those that enter: whatever in it is not a command yet, or never will be.
      const ours = "grep -qsE 'memfd:caisson|executor-' $p/maps && grep -s CapEff $p/status";
      const spy = await box.spawn(["sh", "-c", `while :; do for p in /proc/[0-9]*; do ${ours}; done; done`]);
      const own = (await box.run(["grep", "CapEff", "/proc/self/status"])).stdout;
      let seen = "";
      spy.stdout?.on("data", (chunk) => {
        seen += String(chunk);
      });
      for (let i = 0; i < 20; i++) expect((await box.run(["true"])).exitCode).toBe(0);
      for (let i = 0; i < 100 && seen === ""; i++) await Bun.sleep(20);
      spy.kill("SIGKILL");
      await spy.ended;
      const rights = (text: string) => BigInt(`0x${/CapEff:\s*(\w+)/.exec(text)?.[1] ?? "0"}`);
      const lines = [...new Set(seen.split("\n").filter(Boolean))];
      expect(lines.length).toBeGreaterThan(0);
      // To set limits takes one more, for a moment: CAP_SYS_RESOURCE.
      const allowed = rights(own) | (1n << 24n);
      for (const line of lines) expect({ line, more: rights(line) & ~allowed }).toEqual({ line, more: 0n });
    } finally {
      await box.dispose();
    }
  },
);

each("devices by mknod, and by an archive: no right to make them, and none to open others", async (o) => {
  const r = await shell(
    "mknod /tmp/disk b 254 0 2>&1; mknod /tmp/mem c 1 1 2>&1; (: < /tmp/disk) 2>&1; ls /dev/mem /dev/kmsg /dev/vda 2>&1",
    o,
  );
  expect(r.stdout.match(/not permitted/g)?.length).toBeGreaterThanOrEqual(2);
  expect(r.stdout).toMatch(/cannot access '\/dev\/mem'/);
});

each(
  "sockets of the kernel's cryptography and of the hypervisor, also by numbers of more than 32 bits: refused by the filter",
  async (o) => {
    const number = process.arch === "arm64" ? 198 : 41;
    const families = [38, 40].flatMap((family) => [family, 2 ** 32 + family]);
    const script = `for (${families}) { syscall(${number}, $_, 5, 0); print $!{EPERM} ? "refused " : "$! " }`;
    const r = await run(["perl", "-MErrno", "-e", script], { workdir: "/", ...o });
    expect(r.stdout).toBe("refused ".repeat(4));
  },
);

test.skipIf(!isRoot)("input pushed into the caller's terminal (TIOCSTI): refused by the filter", async () => {
  const r = await shell(`perl -e 'my $c = "x"; print ioctl(STDIN, 0x5412, $c) ? "pushed" : "refused: $!"'`, {
    tty: true,
  });
  expect(r.stdout).toContain("refused: Operation not permitted");
});

test.skipIf(!isRoot)(
  "a fork bomb: the limit of processes holds it, and all of it ends with the container",
  async () => {
    const r = await shell("bomb() { bomb | bomb & }; bomb; sleep 0.5; echo survived", {
      pidsLimit: 40,
      timeout: "10s",
    });
    expect(r.stdout + r.stderr).toMatch(/survived|fork|Resource temporarily unavailable|Cannot fork/);
  },
);

test.skipIf(!isRoot)(
  "the disk filled through the copy-on-write root: it is memory, and counts as the container's",
  async () => {
    const free = () => statfsSync("/").bavail;
    const was = free();
    const r = await shell("head -c 300000000 /dev/zero > /root/fill; echo done", { memory: "64M", timeout: "30s" });
    expect(r.stdout.includes("done") && r.exitCode === 0 && !r.stderr).toBe(false);
    expect(Math.abs(free() - was) * statfsSync("/").bsize).toBeLessThan(200_000_000);
  },
);

each("keys of others and of the session: its keyring is its own, and the calls are refused", async (o) => {
  const r = await shell(
    'perl -e \'for my $n (248, 249, 250) { print syscall($n, 0, 0, 0, 0, 0) < 0 ? "$!\\n" : "done\\n" }\'; wc -c < /proc/keys',
    o,
  );
  expect(r.stdout).not.toContain("done");
});

test.skipIf(!isRoot)(
  "inotify instances and pipes used up: with ids of its own they are counted as its own",
  async () => {
    const use = "my $n = 0; while (syscall(294, 0) >= 0 && $n < 5000) { $n++ } print $n;";
    const r = await run(["perl", "-e", use], { namespaces: { user: "auto" }, ulimits: { nofile: 6000 } });
    const limit = Number(readFileSync("/proc/sys/fs/inotify/max_user_instances", "utf8"));
    expect(Number(r.stdout)).toBeLessThanOrEqual(Math.min(5000, limit));
    const { watch } = await import("node:fs");
    watch(dir, () => {}).close();
  },
);

each("outliving its supervisor by making it its tracer (PTRACE_TRACEME): a stop is taken for no end", async (o) => {
  const [ptrace, prctl] = process.arch === "arm64" ? [117, 167] : [101, 157];
  const PR_SET_PDEATHSIG = 1;
  const script = `$| = 1; $SIG{USR1} = sub { print "heard" };
    syscall(${prctl}, ${PR_SET_PDEATHSIG}, 0, 0, 0, 0); syscall(${ptrace}, 0, 0, 0, 0) == 0 and print "traced ";
    kill USR1 => $$; print ", and on"; exec "sleep", "100"`;
  const r = await run(["perl", "-e", script], { workdir: "/", timeout: "2s", ...o });
  expect(r).toMatchObject({ stdout: "traced heard, and on", timedOut: true });
});

each("groups of others: no control group hierarchy is mounted, and none can be", async (o) => {
  const r = await shell(
    "find /sys/fs/cgroup -mindepth 1 | head -3; cat /proc/self/cgroup | cut -d: -f3 | sort -u; grep -c cgroup /proc/self/mountinfo",
    o,
  );
  expect(r.stdout).toMatch(/^\/\n0\n$/);
});

test.skipIf(!isRoot)("a bundle or an environment that configures the command: neither is loaded", async () => {
  writeFileSync(join(dir, "bunfig.toml"), 'preload = ["./evil.ts"]\n');
  writeFileSync(join(dir, "evil.ts"), 'require("fs").writeFileSync("evil-was-here", "")');
  const p = Bun.spawn([join(import.meta.dir, "../../dist/caisson"), "run", "--workdir", "/", "--", "true"], {
    cwd: dir,
    stdout: "ignore",
    stderr: "ignore",
  });
  await p.exited;
  expect(existsSync(join(dir, "evil-was-here"))).toBe(false);
});

test.skipIf(!isRoot)("a container's name or a network's that is a path: refused", async () => {
  for (const name of ["../x", "a/b", ".hidden", "a\nb"]) {
    await expect(run(["true"], { name })).rejects.toThrow(/name: /);
    expect((await sh("pod", "create", name)).code).toBe(125);
    expect((await sh("network", "create", name)).code).toBe(125);
  }
});

test.skipIf(!isRoot)(
  "shedding the primary group by a set-group-ID program, to read what is denied to that group (CVE-2022-36109)",
  async () => {
    const at = join(dir, "set-group-id");
    mkdirSync(at);
    chmodSync(at, 0o755);
    writeFileSync(join(at, "secret"), "secret");
    chownSync(join(at, "secret"), 0, 1000);
    chmodSync(join(at, "secret"), 0o604);
    execFileSync("cp", ["/bin/cat", join(at, "other-cat")]);
    chownSync(join(at, "other-cat"), 0, 5);
    chmodSync(join(at, "other-cat"), 0o2755);
    const all = ["--security-opt", "no-new-privileges=false", "--volume", `${at}:/at`, "--workdir", "/"];
    const script = "/at/other-cat /etc/hostname && ! /at/other-cat /at/secret && grep Groups: /proc/self/status";
    const r = await sh("run", ...all, "--user", "1000:1000", "--", "sh", "-c", script);
    expect(r).toMatchObject({ code: 0, out: expect.stringMatching(/^.*\nGroups:\t1000 \n$/) });
    expect(r.err).toContain("/at/secret: Permission denied");
  },
);

test.skipIf(!isRoot)(
  "a user by a number that the kernel takes for another, as root by 2^32 or by -1: refused",
  async () => {
    const root = rootfs("odd-users", (at) => {
      writeFileSync(join(at, "etc/passwd"), "wide:x:4294967296:5::/:/bin/sh\nodd:x:7:4294967295::/:/bin/sh\n");
    });
    for (const user of ["4294967295", "4294967296", "1:4294967296", "18446744073709551615", "wide", "odd"])
      await expect(run(["sh", "-c", ":"], { rootfs: root, user })).rejects.toThrow(
        /^user: .* a number up to 4294967294/,
      );
    await expect(run(["sh", "-c", ":"], { rootfs: root, groups: [2 ** 32] })).rejects.toThrow(/^groups: /);
    await using box = await container();
    expect(await sh("exec", "--user", "4294967296", box.name, "id")).toMatchObject({ code: 125, out: "" });
  },
);
