import { expect } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { rounds } from "../helpers/emulated.ts";
import { type Result, SECCOMP, sh, start, until } from "./machine.ts";

const MANY = rounds(20);

/** An engine with one runtime chosen: podman and docker take the same words. */
export type Engine = {
  readonly name: string;
  /** A directory of the test's own. */
  readonly at: string;
  readonly words: (command: string, ...args: string[]) => string[];
  readonly env?: Record<string, string>;
};

export type Case = { readonly name: string; run(e: Engine): unknown };

const call = (e: Engine, command: string, args: readonly string[], stdin?: string): Result =>
  sh(e.words(command, ...args), { ...(stdin !== undefined && { stdin }), ...(e.env && { env: e.env }) });
const run = (e: Engine, ...args: string[]): Result => call(e, "run", ["--rm", "--network", "none", ...args]);
const inspect = (e: Engine, name: string, format: string): string =>
  call(e, "inspect", [name, "--format", format]).out.trim();

function ok(r: Result): string {
  expect(r).toMatchObject({ code: 0 });
  return r.out;
}

async function withContainer(e: Engine, options: string[], command: string[], use: () => void | Promise<void>) {
  ok(call(e, "run", ["-d", "--name", "box", "--network", "none", ...options, "box", ...command]));
  try {
    await use();
  } finally {
    call(e, "rm", removing(e));
  }
}

const sleep = ["sleep", "1000"];
/** podman asks first, and waits. */
const removing = (e: Engine) => ["-f", ...(e.name === "podman" ? ["-t", "0"] : []), "box"];
const full = /CapBnd:\t0*1ff+\n/.test(readFileSync("/proc/self/status", "utf8"));

export const cases: readonly Case[] = [
  { name: "run", run: (e) => expect(ok(run(e, "box", "echo", "hello"))).toBe("hello\n") },
  { name: "exit code", run: (e) => expect(run(e, "box", "sh", "-c", "exit 7").code).toBe(7) },
  {
    name: "standard input through a pipe",
    run: (e) =>
      expect(
        ok(call(e, "run", ["--rm", "-i", "--network", "none", "box", "wc", "-c"], "x".repeat(200_000))).trim(),
      ).toBe("200000"),
  },
  {
    name: "standard error by itself",
    run: (e) => expect(run(e, "box", "sh", "-c", "echo a; echo b >&2")).toMatchObject({ out: "a\n", err: "b\n" }),
  },
  { name: "a terminal", run: (e) => expect(ok(run(e, "-t", "box", "tty")).trim()).toBe("/dev/pts/0") },
  { name: "a command that is not there: 127", run: (e) => expect(run(e, "box", "nothing-here").code).toBe(127) },
  { name: "a file that is no program: 126", run: (e) => expect(run(e, "box", "/bin/plain").code).toBe(126) },
  {
    name: "working directory, host name and environment",
    run: (e) =>
      expect(
        ok(run(e, "-w", "/data", "-h", "name", "-e", "A=b c", "box", "sh", "-c", 'pwd; hostname; echo "$A"')),
      ).toBe("/data\nname\nb c\n"),
  },
  {
    name: "detached: logs, exec, its exit code and terminal, top, stats, inspect",
    run: (e) =>
      withContainer(e, [], ["sh", "-c", "echo up; exec sleep 1000"], async () => {
        await until("its output", () => call(e, "logs", ["box"]).out === "up\n");
        expect(ok(call(e, "exec", ["box", "id", "-u"]))).toBe("0\n");
        expect(call(e, "exec", ["box", "sh", "-c", "exit 5"]).code).toBe(5);
        expect(ok(call(e, "exec", ["-i", "box", "cat"], "through\n"))).toBe("through\n");
        expect(ok(call(e, "exec", ["-t", "box", "tty"])).trim()).toMatch(/^\/dev\/pts\/\d$/);
        expect(
          ok(call(e, "exec", ["-u", "1000", "-w", "/tmp", "-e", "X=y", "box", "sh", "-c", "id -u; pwd; echo $X"])),
        ).toBe("1000\n/tmp\ny\n");
        expect(call(e, "exec", ["box", "nothing-here"]).code).toBe(e.name === "podman" ? 127 : 126);
        expect(ok(call(e, "top", ["box"]))).toContain("sleep 1000");
        expect(ok(call(e, "stats", ["--no-stream", "box"]))).toContain("box");
        expect(inspect(e, "box", "{{.State.Status}}")).toBe("running");
      }),
  },
  {
    name: "pause and unpause",
    run: (e) =>
      withContainer(e, [], ["sh", "-c", "while :; do :; done"], () => {
        ok(call(e, "pause", ["box"]));
        expect(inspect(e, "box", "{{.State.Status}}")).toBe("paused");
        const pid = inspect(e, "box", "{{.State.Pid}}");
        const ticks = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(" ").slice(13, 15).join(" ");
        const before = ticks();
        Bun.sleepSync(200);
        expect(ticks()).toBe(before);
        ok(call(e, "unpause", ["box"]));
        Bun.sleepSync(200);
        expect(ticks()).not.toBe(before);
      }),
  },
  {
    name: "stop asks, and kills what does not listen",
    run: async (e) => {
      await withContainer(e, [], ["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.1; done"], () => {
        ok(call(e, "stop", ["-t", "10", "box"]));
        expect(inspect(e, "box", "{{.State.Status}} {{.State.ExitCode}}")).toBe("exited 3");
      });
      await withContainer(e, [], sleep, () => {
        ok(call(e, "stop", ["-t", "1", "box"]));
        expect(inspect(e, "box", "{{.State.ExitCode}}")).toBe("137");
      });
    },
  },
  {
    name: "kill with a signal",
    run: (e) =>
      withContainer(e, [], ["sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.1; done"], async () => {
        Bun.sleepSync(200);
        ok(call(e, "kill", ["-s", "USR1", "box"]));
        await until("its end", () => inspect(e, "box", "{{.State.Status}}") === "exited");
        expect(inspect(e, "box", "{{.State.ExitCode}}")).toBe("9");
      }),
  },
  {
    name: "a memory limit, changed while it runs",
    run: (e) =>
      withContainer(e, ["-m", "64m", "--memory-swap", "64m"], sleep, () => {
        const pid = inspect(e, "box", "{{.State.Pid}}");
        const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
        const v1 = lines.find((l) => /:memory:/.test(l))?.split(":")[2];
        const v2 = lines.find((l) => l.startsWith("0::"))?.slice(3);
        const limit = () =>
          readFileSync(
            v1 ? `/sys/fs/cgroup/memory${v1}/memory.limit_in_bytes` : `/sys/fs/cgroup${v2}/memory.max`,
            "utf8",
          ).trim();
        expect(limit()).toBe(String(64 << 20));
        if (e.name === "docker") {
          ok(call(e, "update", ["-m", "128m", "--memory-swap", "128m", "box"]));
          expect(limit()).toBe(String(128 << 20));
        }
      }),
  },
  {
    name: "out of memory is told",
    run: async (e) => {
      // containerd's shim listens for it only after `start`, and may tell of an end first: neither is a runtime's to say.
      const script = "until test -e /tmp/go; do sleep 0.05; done; tail /dev/zero; code=$?; sleep 1; exit $code";
      const hog = ["sh", "-c", script];
      await withContainer(e, ["-m", "16m", "--memory-swap", "16m"], hog, async () => {
        ok(call(e, "exec", ["box", "touch", "/tmp/go"]));
        await until("its end", () => inspect(e, "box", "{{.State.Status}}") === "exited");
        // conmon looks for the event in one layout or the other, and finds none in a hybrid one.
        if (e.name === "docker") expect(inspect(e, "box", "{{.State.OOMKilled}}")).toBe("true");
        expect(inspect(e, "box", "{{.State.ExitCode}}")).toBe("137");
      });
    },
  },
  {
    name: "a limit of processes, and of open files",
    run: (e) => {
      expect(
        ok(
          run(e, "--ulimit", "nofile=100:200", "--ulimit", "nproc=500:500", "box", "sh", "-c", "ulimit -n; ulimit -Hn"),
        ),
      ).toBe("100\n200\n");
      expect(
        run(e, "--pids-limit", "4", "box", "sh", "-c", "for i in 1 2 3 4 5 6; do sleep 1 & done; wait").err,
      ).toMatch(/fork/);
    },
  },
  {
    name: "volumes, read-only and not",
    run: (e) => {
      const shared = join(e.at, "shared");
      mkdirSync(shared, { recursive: true });
      ok(run(e, "-v", `${shared}:/data`, "box", "sh", "-c", "echo in > /data/file"));
      expect(readFileSync(join(shared, "file"), "utf8")).toBe("in\n");
      expect(run(e, "-v", `${shared}:/data:ro`, "box", "sh", "-c", "echo x > /data/file").code).not.toBe(0);
    },
  },
  {
    name: "a read-only root, with a tmpfs",
    run: (e) => {
      expect(run(e, "--read-only", "box", "touch", "/x").code).not.toBe(0);
      ok(run(e, "--read-only", "--tmpfs", "/tmp", "box", "touch", "/tmp/x"));
      expect(ok(run(e, "--tmpfs", "/data:size=1m", "box", "df", "-k", "/data"))).toMatch(/1024/);
    },
  },
  {
    name: "users and groups",
    run: (e) => expect(ok(run(e, "-u", "guest", "--group-add", "77", "box", "id"))).toMatch(/uid=1000.*gid=1000.*77/),
  },
  {
    name: "capabilities",
    run: (e) => {
      expect(ok(run(e, "--cap-drop", "ALL", "box", "grep", "CapEff", "/proc/self/status"))).toMatch(/\t0{16}\n/);
      expect(
        ok(run(e, "--cap-drop", "ALL", "--cap-add", "NET_ADMIN", "box", "grep", "CapEff", "/proc/self/status")),
      ).toMatch(/\t0{12}1000\n/);
    },
  },
  {
    name: "a seccomp profile",
    run: (e) => {
      const profile = join(e.at, "seccomp.json");
      writeFileSync(profile, JSON.stringify(SECCOMP));
      expect(run(e, "--security-opt", `seccomp=${profile}`, "box", "mkdir", "/tmp/x").code).not.toBe(0);
      ok(run(e, "box", "mkdir", "/tmp/x"));
      expect(ok(run(e, "box", "grep", "Seccomp:", "/proc/self/status"))).toBe("Seccomp:\t2\n");
    },
  },
  {
    name: "no new privileges",
    run: (e) =>
      expect(ok(run(e, "--security-opt", "no-new-privileges", "box", "grep", "NoNewPrivs", "/proc/self/status"))).toBe(
        "NoNewPrivs:\t1\n",
      ),
  },
  {
    name: "an init, the host's namespaces, a device, sysctls, shared memory",
    run: (e) => {
      expect(ok(run(e, "--init", "box", "sh", "-c", "echo $$"))).not.toBe("1\n");
      expect(Number(ok(run(e, "--pid", "host", "box", "sh", "-c", "echo $$")))).toBeGreaterThan(1);
      expect(ok(run(e, "--device", "/dev/null:/dev/nothing", "box", "ls", "-l", "/dev/nothing"))).toMatch(/1,\s+3/);
      expect(
        ok(run(e, "--sysctl", "net.ipv4.ip_default_ttl=77", "box", "cat", "/proc/sys/net/ipv4/ip_default_ttl")),
      ).toBe("77\n");
      expect(ok(run(e, "--shm-size", "2m", "box", "df", "-k", "/dev/shm"))).toMatch(/2048/);
    },
  },
  {
    name: full ? "privileged" : "privileged (skipped: this machine has not all capabilities to give)",
    run: (e) => full && ok(run(e, "--privileged", "box", "sh", "-c", "mount -t tmpfs none /tmp && mknod /tmp/x b 7 0")),
  },
  {
    name: "rm -f of one that runs, and of a paused one",
    run: (e) => {
      for (const pause of [false, true]) {
        ok(call(e, "run", ["-d", "--name", "box", "--network", "none", "box", ...sleep]));
        const pid = inspect(e, "box", "{{.State.Pid}}");
        if (pause) ok(call(e, "pause", ["box"]));
        ok(call(e, "rm", removing(e)));
        expect(() => readFileSync(`/proc/${pid}/cmdline`)).toThrow();
      }
    },
  },
  {
    name: "many at once",
    run: async (e) => {
      const all = Array.from({ length: MANY }, (_, i) =>
        start(e.words("run", "--rm", "--network", "none", "box", "sh", "-c", `exit ${i}`), e.env),
      );
      expect((await Promise.all(all)).map((r) => r.code)).toEqual(Array.from({ length: MANY }, (_, i) => i));
    },
  },
];
