import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { NamespaceKind, Spec } from "../../src/compile/spec.ts";
import { isRoot } from "../helpers/machine.ts";
import { Bundle, isOurs, linux, printed, shell } from "./bundle.ts";

const files: Record<string, string> = {
  pid: "pid",
  network: "net",
  ipc: "ipc",
  uts: "uts",
  mount: "mnt",
  cgroup: "cgroup",
};
const without = (kind: string) => (s: Parameters<ReturnType<typeof linux>>[0]) => ({
  ...s,
  ...(kind === "uts" && { hostname: undefined }),
  linux: { ...s.linux, namespaces: s.linux?.namespaces?.filter((n) => n.type !== kind) },
});
const readNs = (kind: string) => ["readlink", `/proc/self/ns/${files[kind]}`];
const host = (kind: string) => `${readlinkSync(`/proc/self/ns/${files[kind]}`)}\n`;

describe.skipIf(!isRoot)("config-linux.md Namespaces", () => {
  for (const kind of ["network", "ipc", "uts", "mount", "pid"])
    test(`${kind}: a new one`, () => expect(printed(readNs(kind)).out).not.toBe(host(kind)));
  for (const kind of ["network", "ipc", "uts", "pid"])
    test(`${kind}: the runtime's, where it is not listed`, () =>
      expect(printed(readNs(kind), without(kind)).out).toBe(host(kind)));
  test("cgroup: a new one", () => {
    const r = printed(readNs("cgroup"), (s) => ({
      ...s,
      linux: { ...s.linux, namespaces: [...(s.linux?.namespaces ?? []), { type: "cgroup" as NamespaceKind }] },
    }));
    expect(r.out).not.toBe(host("cgroup"));
  });
  for (const kind of ["network", "ipc", "uts", "pid"] as const)
    test(`${kind}: one given by path`, () => {
      using holder = new Bundle(["sleep", "1000"]);
      holder.create();
      holder.start();
      const path = `/proc/${holder.state_().pid}/ns/${files[kind]}`;
      const r = printed(readNs(kind), (s) => ({
        ...s,
        ...(kind === "uts" && { hostname: undefined }),
        linux: { ...s.linux, namespaces: s.linux?.namespaces?.map((n) => (n.type === kind ? { ...n, path } : n)) },
      }));
      expect(r.out).toBe(`${readlinkSync(path)}\n`);
    });
  test("a path of another kind is refused", () => {
    const r = printed(["true"], (s) => ({
      ...s,
      linux: {
        ...s.linux,
        namespaces: s.linux?.namespaces?.map((n) => (n.type === "network" ? { ...n, path: "/proc/self/ns/ipc" } : n)),
      },
    }));
    expect(r.code).not.toBe(0);
  });
  test("a type twice is refused", () => {
    const r = printed(["true"], (s) => ({
      ...s,
      linux: { ...s.linux, namespaces: [...(s.linux?.namespaces ?? []), { type: "pid" as NamespaceKind }] },
    }));
    expect(r.code).not.toBe(0);
  });
  test("user: ids are mapped as given", () => {
    using b = new Bundle(shell("id -u; cat /proc/self/uid_map | tr -s ' ' | cut -d' ' -f2-"), (s) => ({
      ...s,
      mounts: s.mounts?.filter((m) => m.type !== "sysfs"),
      linux: {
        namespaces: [...(s.linux?.namespaces ?? []), { type: "user" as NamespaceKind }],
        uidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
        gidMappings: [{ containerID: 0, hostID: 100_000, size: 65_536 }],
      },
    }));
    expect(b.run().out).toContain("0\n");
  });
  test("user: one given by path, with a network that is not its own", async () => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const type: NamespaceKind = "user";
    const mounts = (s: Spec) => s.mounts?.filter((m) => m.type !== "sysfs");
    using holder = new Bundle(["sleep", "1000"], (s) => ({
      ...s,
      mounts: mounts(s),
      linux: { namespaces: [...(s.linux?.namespaces ?? []), { type }], uidMappings: maps, gidMappings: maps },
    }));
    holder.create();
    holder.start();
    const other = Bun.spawn(["unshare", "--net", "sh", "-c", "echo; exec sleep 1000"], { stdout: "pipe" });
    try {
      await other.stdout.getReader().read();
      const [user, network] = [`/proc/${holder.state_().pid}/ns/user`, `/proc/${other.pid}/ns/net`];
      const ids = shell("readlink /proc/self/ns/user; readlink /proc/self/ns/net; id -u");
      const r = printed(ids, (s) => ({
        ...s,
        mounts: mounts(s),
        linux: {
          namespaces: [
            ...(s.linux?.namespaces ?? []).map((n) => (n.type === "network" ? { ...n, path: network } : n)),
            { type, path: user },
          ],
        },
      }));
      expect(r).toMatchObject({ code: 0, err: "", out: `${readlinkSync(user)}\n${readlinkSync(network)}\n0\n` });
    } finally {
      other.kill("SIGKILL");
      await other.exited;
    }
  });
});

describe.skipIf(!isRoot)("config-linux.md Namespaces that are not listed", () => {
  test("are those of the runtime, and mounts are then not the container's", () => {
    const before = readFileSync("/proc/self/mountinfo", "utf8");
    using b = new Bundle(["sleep", "60"], (s) => ({ ...s, hostname: undefined, linux: { namespaces: [] } }));
    expect(b.create().code).toBe(0);
    for (const kind of ["mnt", "pid", "net", "ipc", "uts"])
      expect(readlinkSync(`/proc/${b.state_().pid}/ns/${kind}`)).toBe(readlinkSync(`/proc/self/ns/${kind}`));
    expect(readFileSync("/proc/self/mountinfo", "utf8")).toBe(before);
  });
});

describe.skipIf(!isRoot)("config-linux.md Devices", () => {
  test("the default ones, with their numbers", () => {
    const r = printed(shell("cd /dev; for d in null zero full random urandom tty; do stat -c '%n %t %T %F' $d; done"));
    expect(r.out.split("\n").map((l) => l.split(" ").slice(0, 3).join(" "))).toEqual([
      "null 1 3",
      "zero 1 5",
      "full 1 7",
      "random 1 8",
      "urandom 1 9",
      "tty 5 0",
      "",
    ]);
  });
  test("the links fd, stdin, stdout, stderr, and ptmx", () => {
    const r = printed(
      shell("cd /dev; for l in fd stdin stdout stderr; do readlink $l; done; test -e ptmx && echo ptmx"),
    );
    expect(r.out).toBe("/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\nptmx\n");
  });
  test("one that is asked for: type, numbers, mode, owner", () => {
    const device = { path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 0o640, uid: 7, gid: 8 };
    const r = printed(["stat", "-c", "%F %t %T %a %u %g", "/dev/mine"], linux({ devices: [device] }));
    expect(r.out).toBe("character special file 1 5 640 7 8\n");
  });
  test("in any directory, the topmost too", () => {
    const devices = ["/mine", "/new/mine/"].map((path) => ({ path, type: "c", major: 1, minor: 5 }));
    expect(printed(["ls", "/mine", "/new/mine"], linux({ devices })).code).toBe(0);
  });
  test("a node is no right to use it: that is for linux.resources.devices", () => {
    const devices = [{ path: "/dev/mine", type: "c", major: 10, minor: 1234 }];
    const rules = (more: object[]) =>
      linux({ devices, resources: { devices: [{ allow: false, access: "rwm" }, ...more] } });
    const allowed = { allow: true, type: "c", major: 10, minor: 1234, access: "rw" };
    const open = shell("cat /dev/mine");
    expect(printed(open, rules([])).err).toContain("Operation not permitted");
    expect(printed(open, rules([allowed])).err).toContain("No such device");
  });
  test("in a user namespace: ones that the host has no node of, owned by ids of the container's", () => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const devices = [
      { path: "/dev/mine", type: "c", major: 1, minor: 5, fileMode: 0o644, uid: 7, gid: 8 },
      { path: "/dev/pipe", type: "p", fileMode: 0o600 },
    ];
    const more = { devices, uidMappings: maps, gidMappings: maps };
    using b = new Bundle(
      shell("stat -c '%F %t %T %a %u %g' /dev/mine; stat -c '%F %u' /dev/pipe; head -c 1 /dev/mine | wc -c"),
    );
    spawnSync("chown", ["-R", "100000:100000", b.root]);
    b.rewrite((s) => {
      const namespaces = [...(s.linux?.namespaces ?? []), { type: "user" as const }];
      return { ...linux({ ...more, namespaces })(s), mounts: s.mounts?.filter((m) => m.type !== "sysfs") };
    });
    expect(b.run()).toMatchObject({ out: "character special file 1 5 644 7 8\nfifo 0\n1\n", err: "" });
  });
  test("in a user namespace: message queues of an IPC namespace of its own are its root's", () => {
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const queues = { destination: "/dev/mqueue", type: "mqueue", source: "mqueue" };
    const r = printed(["stat", "-c", "%u", "/dev/mqueue"], (s) => ({
      ...linux({
        namespaces: [...(s.linux?.namespaces ?? []), { type: "user" }],
        uidMappings: maps,
        gidMappings: maps,
      })(s),
      mounts: [...(s.mounts ?? []), queues],
    }));
    expect(r.out).toBe("0\n");
  });
  test("a FIFO", () => {
    const device = { path: "/dev/pipe", type: "p", fileMode: 0o600 };
    expect(printed(["stat", "-c", "%F", "/dev/pipe"], linux({ devices: [device] })).out).toBe("fifo\n");
  });
});

describe.skipIf(!isRoot)("config-linux.md Control Groups", () => {
  const groupOf = (b: Bundle, controller: string): string | undefined => {
    const lines = readFileSync(`/proc/${b.state_().pid}/cgroup`, "utf8").split("\n");
    const v1 = lines.find((l) => l.split(":")[1]?.split(",").includes(controller))?.split(":")[2];
    if (v1 !== undefined) return `/sys/fs/cgroup/${controller}${v1}`;
    return `/sys/fs/cgroup${lines.find((l) => l.startsWith("0::"))?.slice(3)}`;
  };
  const read = (b: Bundle, controller: string, v1: string, v2: string) => {
    const at = groupOf(b, controller) ?? "";
    const file = existsSync(join(at, v1)) ? v1 : v2;
    return readFileSync(join(at, file), "utf8").trim();
  };
  const created = (resources: object, more: object = {}) => {
    const b = new Bundle(
      ["sleep", "1000"],
      linux({ resources, cgroupsPath: `/caisson-conformance-${process.pid}`, ...more }),
    );
    expect(b.create()).toMatchObject({ code: 0 });
    return b;
  };
  test("cgroupsPath: absolute ones are below the top", () => {
    using b = created({});
    expect(groupOf(b, "memory")).toContain(`/caisson-conformance-${process.pid}`);
  });
  test("delete removes what was made", () => {
    const b = created({});
    const at = groupOf(b, "memory") ?? "";
    expect(existsSync(at)).toBe(true);
    b[Symbol.dispose]();
    expect(existsSync(at)).toBe(false);
  });
  test("memory.limit", () => {
    using b = created({ memory: { limit: 64 << 20 } });
    expect(read(b, "memory", "memory.limit_in_bytes", "memory.max")).toBe(String(64 << 20));
  });
  test("memory.reservation", () => {
    using b = created({ memory: { limit: 64 << 20, reservation: 32 << 20 } });
    expect(read(b, "memory", "memory.soft_limit_in_bytes", "memory.low")).toBe(String(32 << 20));
  });
  test("cpu.quota and period", () => {
    using b = created({ cpu: { quota: 50_000, period: 100_000 } });
    const at = groupOf(b, "cpu") ?? "";
    const v1 = join(at, "cpu.cfs_quota_us");
    expect(
      existsSync(v1) ? `${readFileSync(v1, "utf8").trim()} 100000` : readFileSync(join(at, "cpu.max"), "utf8").trim(),
    ).toBe("50000 100000");
  });
  test("cpu.shares: as they are given, or as the weight that stands for them", () => {
    using b = created({ cpu: { shares: 100 } });
    expect(["100", "17", "4"]).toContain(read(b, "cpu", "cpu.shares", "cpu.weight"));
  });
  test("a group in every hierarchy", () => {
    using b = created({});
    const paths = readFileSync(`/proc/${b.state_().pid}/cgroup`, "utf8").trim().split("\n");
    for (const line of paths) expect(line).toContain(`/caisson-conformance-${process.pid}`);
  });
  test("cpu.cpus", () => {
    using b = created({ cpu: { cpus: "0" } });
    expect(read(b, "cpuset", "cpuset.cpus", "cpuset.cpus")).toBe("0");
  });
  test("pids.limit", () => {
    using b = created({ pids: { limit: 33 } });
    expect(read(b, "pids", "pids.max", "pids.max")).toBe("33");
  });
  test("devices: what is not allowed cannot be opened", () => {
    const devices = [{ path: "/dev/seven", type: "b", major: 7, minor: 250 }];
    const denied = printed(
      ["head", "-c1", "/dev/seven"],
      linux({ devices: [], resources: { devices: [{ allow: false, access: "rwm" }] } }),
    );
    expect(denied.code).not.toBe(0);
    const null_ = printed(
      shell("echo x > /dev/null"),
      linux({ devices, resources: { devices: [{ allow: false, access: "rwm" }] } }),
    );
    expect(null_.code).toBe(0);
  });
  test("update changes limits", () => {
    using b = created({ memory: { limit: 64 << 20 }, pids: { limit: 10 } });
    expect(b.call(["update", "--resources", "-", b.id], { stdin: JSON.stringify({ pids: { limit: 20 } }) }).code).toBe(
      0,
    );
    expect(read(b, "pids", "pids.max", "pids.max")).toBe("20");
    expect(read(b, "memory", "memory.limit_in_bytes", "memory.max")).toBe(String(64 << 20));
  });
  test("update by options: sizes, and -1 for no limit", () => {
    using b = created({ memory: { limit: 64 << 20 }, pids: { limit: 10 } });
    const update = (...words: string[]) => expect(b.call(["update", ...words, b.id])).toMatchObject({ code: 0 });
    update("--memory", "96M", "--memory-swap", "-1", "--cpu-share", "200");
    expect(read(b, "memory", "memory.limit_in_bytes", "memory.max")).toBe(String(96 << 20));
    update("--memory", "-1");
    expect(["9223372036854771712", "max"]).toContain(read(b, "memory", "memory.limit_in_bytes", "memory.max"));
    update("--pids-limit", "-1");
    expect(read(b, "pids", "pids.max", "pids.max")).toBe("max");
  });
  test("update of one that is to run only where nobody else does", () => {
    using b = created({ cpu: { shares: 512, idle: 1 } });
    const update = (...words: string[]) => expect(b.call(["update", ...words, b.id])).toMatchObject({ code: 0 });
    update("--pids-limit", "30");
    expect(read(b, "pids", "pids.max", "pids.max")).toBe("30");
    update("--cpu-idle", "0", "--cpu-share", "2048");
    expect(["2048", "174"]).toContain(read(b, "cpu", "cpu.shares", "cpu.weight"));
  });
  test("one that is paused is not started", async () => {
    using b = new Bundle(["true"]);
    b.create();
    expect(b.call(["pause", b.id]).code).toBe(0);
    const r = b.start();
    expect(r.code).toBe(1);
    expect(r.err).toContain("paused");
    expect(b.call(["resume", b.id]).code).toBe(0);
    expect(b.start().code).toBe(0);
    await b.until("stopped");
  });
  test("events: the figures of memory.stat; an interval of nothing is refused", () => {
    using b = created({});
    const r = b.call(["events", "--stats", b.id]);
    expect(JSON.parse(r.out).data.memory.raw).toMatchObject({ pgfault: expect.any(Number) });
    expect(b.call(["events", "--interval", "0s", b.id]).code).toBe(1);
  });
  test("events: what is killed for want of memory is told of, while it goes on", async () => {
    using b = new Bundle(["sleep", "60"], linux({ resources: { memory: { limit: 32 << 20, swap: 32 << 20 } } }));
    b.create();
    b.start();
    const p = Bun.spawn(b.words("events", "--interval", "100ms", b.id), { stdout: "pipe" });
    const reader = p.stdout.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    const until = async (what: string) => {
      while (!text.includes(what)) {
        const { value, done } = await reader.read();
        if (done) return;
        text += value;
      }
    };
    await until('"stats"');
    expect(b.call(["exec", b.id, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"]).code).not.toBe(0);
    await until('"oom"');
    expect(text).toContain(JSON.stringify({ type: "oom", id: b.id }));
    b.call(["delete", "--force", b.id]);
    expect(await p.exited).toBe(0);
  });
  test("events: that the container is deleted while its group is read is no error", async () => {
    using b = created({});
    const watching = Array.from({ length: 8 }, () =>
      Bun.spawn(b.words("events", "--interval", "1ms", b.id), { stdout: "pipe", stderr: "pipe" }),
    );
    await Promise.all(watching.map((p) => p.stdout.getReader().read()));
    b.call(["delete", "--force", b.id]);
    for (const p of watching) expect([await p.exited, await new Response(p.stderr).text()]).toEqual([0, ""]);
  });
  test.skipIf(existsSync("/sys/fs/cgroup/cpu"))(
    "a group with threaded ones below is deleted with all that is in it",
    () => {
      using b = new Bundle(["sleep", "60"], linux({ cgroupsPath: `/caisson-test-threaded-${process.pid}` }));
      b.create();
      b.start();
      const group = groupOf(b, "") ?? "";
      mkdirSync(join(group, "below"));
      writeFileSync(join(group, "below/cgroup.type"), "threaded");
      writeFileSync(join(group, "below/cgroup.threads"), String(b.state_().pid));
      expect(b.call(["delete", "--force", b.id])).toMatchObject({ code: 0, err: "" });
      expect(b.state_()).toEqual({});
      expect(existsSync(group)).toBe(false);
    },
  );
  test("unified: a file of no controller is refused, and no group is left", () => {
    const cgroupsPath = `/caisson-test-unified-${process.pid}`;
    using b = new Bundle(["true"], linux({ cgroupsPath, resources: { unified: { "nothing.max": "1" } } }));
    expect(b.create().code).not.toBe(0);
    for (const top of ["", ...readdirSync("/sys/fs/cgroup")])
      expect(existsSync(join("/sys/fs/cgroup", top, cgroupsPath))).toBe(false);
  });
  test("a group that is frozen takes no container", () => {
    using b = new Bundle(["true"]);
    const top = existsSync("/sys/fs/cgroup/freezer") ? "/sys/fs/cgroup/freezer" : "/sys/fs/cgroup";
    const [file, freeze, thaw] = top.endsWith("freezer")
      ? (["freezer.state", "FROZEN", "THAWED"] as const)
      : (["cgroup.freeze", "1", "0"] as const);
    const group = join(top, b.id);
    mkdirSync(group);
    try {
      writeFileSync(join(group, file), freeze);
      b.rewrite(linux({ cgroupsPath: `/${b.id}` }));
      const r = b.create();
      expect(r.code).not.toBe(0);
      expect(r.err).toContain("frozen");
    } finally {
      // Other runtimes have left a process there.
      writeFileSync(join(group, file), thaw);
      b.call(["delete", "--force", b.id]);
      spawnSync("sh", [
        "-c",
        `kill -9 $(cat ${group}/cgroup.procs); sleep 0.2; rmdir /sys/fs/cgroup/${b.id} /sys/fs/cgroup/*/${b.id}`,
      ]);
    }
  }, 40_000);
  test.skipIf(!existsSync("/sys/fs/cgroup/cpu"))(
    "update on v1: never over the share of the group above on the way",
    () => {
      const above = `caisson-test-above-${process.pid}`;
      const top = join("/sys/fs/cgroup/cpu", above);
      mkdirSync(top);
      writeFileSync(join(top, "cpu.cfs_quota_us"), "50000");
      try {
        using b = new Bundle(
          ["true"],
          linux({ cgroupsPath: `/${above}/one`, resources: { cpu: { quota: 300_000, period: 1_000_000 } } }),
        );
        b.create();
        const update = (...words: string[]) => b.call(["update", ...words, b.id]).code;
        expect(update("--cpu-quota", "600000")).toBe(1);
        expect(update("--cpu-period", "10000", "--cpu-quota", "3000")).toBe(0);
        expect(update("--cpu-period", "1000000", "--cpu-quota", "400000")).toBe(0);
        expect(readFileSync(join(top, "one/cpu.cfs_quota_us"), "utf8")).toBe("400000\n");
      } finally {
        for (const controller of readdirSync("/sys/fs/cgroup"))
          spawnSync("rmdir", [join("/sys/fs/cgroup", controller, above)]);
      }
    },
  );
  test("pause and resume", async () => {
    using b = new Bundle(shell("while :; do echo x >> /data/x; sleep 0.02; done"));
    b.create();
    b.start();
    await Bun.sleep(100);
    expect(b.call(["pause", b.id]).code).toBe(0);
    expect(b.state_().status).toBe("paused");
    const size = () => readFileSync(join(b.root, "data/x")).length;
    const before = size();
    await Bun.sleep(200);
    expect(size()).toBe(before);
    expect(b.call(["resume", b.id]).code).toBe(0);
    await Bun.sleep(200);
    expect(size()).toBeGreaterThan(before);
  });
});

describe.skipIf(!isRoot)("config-linux.md Sysctl, masked and read-only paths, seccomp, propagation", () => {
  test("sysctl of a namespace", () => {
    const r = printed(
      ["cat", "/proc/sys/net/ipv4/ip_default_ttl"],
      linux({ sysctl: { "net.ipv4.ip_default_ttl": "99" } }),
    );
    expect(r.out).toBe("99\n");
  });
  test("sysctl: slashes separate where they come first", () => {
    const r = printed(
      ["cat", "/proc/sys/net/ipv4/ip_default_ttl"],
      linux({ sysctl: { "net/ipv4/ip_default_ttl": "98" } }),
    );
    expect(r.out).toBe("98\n");
  });
  test("sysctl of the machine is refused", () => {
    expect(printed(["true"], linux({ sysctl: { "kernel.panic": "1" } })).code).not.toBe(0);
  });
  test("maskedPaths: nothing can be read", () => {
    const r = printed(
      shell("cat /etc/passwd; ls /data | wc -l"),
      linux({ maskedPaths: ["/etc/passwd", "/data", "/nothing"] }),
    );
    expect(r.out).toBe("0\n");
  });
  test("readonlyPaths: nothing can be written", () => {
    const r = printed(shell("touch /data/x || echo refused"), linux({ readonlyPaths: ["/data", "/nothing"] }));
    expect(r.out).toBe("refused\n");
  });
  const deny = (action: string, more: object = {}) =>
    linux({
      seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir", "mkdirat"], action, ...more }] },
    });
  test("seccomp: SCMP_ACT_ERRNO with a number", () => {
    const r = printed(["mkdir", "/data/x"], deny("SCMP_ACT_ERRNO", { errnoRet: 28 }));
    expect(r.err).toContain("No space left on device");
  });
  test("seccomp: SCMP_ACT_KILL_PROCESS", () => {
    expect(printed(["mkdir", "/data/x"], deny("SCMP_ACT_KILL_PROCESS")).code).toBe(128 + 31);
  });
  test("seccomp: arguments", () => {
    const seccomp = {
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [
        { names: ["personality"], action: "SCMP_ACT_ERRNO", args: [{ index: 0, value: 8, op: "SCMP_CMP_EQ" }] },
        { names: ["a_call_of_tomorrow"], action: "SCMP_ACT_ERRNO" },
      ],
    };
    expect(printed(["true"], linux({ seccomp })).code).toBe(0);
  });
  test("rootfsPropagation", () => {
    const r = printed(shell("grep ' / / ' /proc/self/mountinfo"), linux({ rootfsPropagation: "shared" }));
    expect(r.code).toBeLessThan(2);
  });
  test("personality", () => {
    expect(printed(["uname", "-m"], linux({ personality: { domain: "LINUX32" } })).out).toMatch(/i686|arm|aarch64/);
  });
  test("seccomp: SCMP_ACT_NOTIFY hands the listener over, with the state", async () => {
    using b = new Bundle(["mkdir", "/data/asked"]);
    const socket = join(b.at, "agent");
    const agent = join(b.at, "agent.py");
    // Answers each call with 0 and no error: what was asked for is not done.
    writeFileSync(
      agent,
      `import socket,array,sys,fcntl,struct,json
s=socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(1); print("listening", flush=True)
c,_=s.accept(); m,a,f,_=c.recvmsg(65536, socket.CMSG_SPACE(4)); fd=array.array("i", a[0][2])[0]
state=json.loads(m); print(json.dumps([state["fds"], state["metadata"], state["pid"]==state["state"]["pid"], state["state"]["id"]]), flush=True)
n=bytearray(80); fcntl.ioctl(fd, 0xc0502100, n, True); i=struct.unpack_from("Q", n, 0)[0]
fcntl.ioctl(fd, 0xc0182101, struct.pack("QqiI", i, 0, 0, 0)); print("answered", flush=True)
`,
    );
    const p = Bun.spawn(["python3", agent, socket], { stdout: "pipe" });
    for (let i = 0; i < 200 && !existsSync(socket); i++) await Bun.sleep(20);
    b.rewrite(
      linux({
        seccomp: {
          defaultAction: "SCMP_ACT_ALLOW",
          listenerPath: socket,
          listenerMetadata: "from the suite",
          syscalls: [{ names: ["mkdir", "mkdirat"], action: "SCMP_ACT_NOTIFY" }],
        },
      }),
    );
    expect(b.run()).toMatchObject({ code: 0 });
    expect(existsSync(join(b.root, "data/asked"))).toBe(false);
    const text = await new Response(p.stdout).text();
    expect(text).toContain(JSON.stringify([["seccompFd"], "from the suite", true, b.id]).replaceAll(",", ", "));
    expect(text).toContain("answered");
  });
  test("netDevices: an interface becomes the container's, with its addresses and another name", () => {
    const made = spawnSync("ip", ["link", "add", "cst0", "type", "veth", "peer", "name", "cst1"]);
    if (made.status !== 0) return console.log("skipped: this machine makes no veth pair with ip(8)");
    try {
      spawnSync("ip", ["address", "add", "192.0.2.7/24", "dev", "cst0"]);
      for (const name of ["cst0", "cst1"]) spawnSync("ip", ["link", "set", name, "up"]);
      const r = printed(
        shell("cat /proc/net/route | tail -n +2 | cut -f1,2; grep -c . /sys/class/net/moved0/flags"),
        linux({ netDevices: { cst0: { name: "moved0" } } }),
      );
      // runc has it from version 1.4 on, and passes over what it does not know before.
      if (isOurs) expect(r.out).toBe("moved0\t000200C0\n1\n");
    } finally {
      spawnSync("ip", ["link", "delete", "cst1"]);
    }
  });
  test("nothing is left on the machine", () => {
    expect(readdirSync("/sys/fs/cgroup").filter((n) => n.includes("conformance"))).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain("caisson-conformance");
  });
});
