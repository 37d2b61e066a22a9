/** Options of the command that no other test gives, each once. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { commands } from "../../src/cli/commands.ts";
import { groupLimits, limits } from "../../src/cli/limits.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const run = async (...words: string[]) => {
  const { code, out, err } = await sh("run", ...words);
  expect({ words, code, err }).toEqual({ words, code: 0, err: "" });
  return out;
};

test("each option of each command is given by some test", () => {
  const tests = join(import.meta.dir, "..");
  const texts = readdirSync(tests, { recursive: true, encoding: "utf8" })
    .filter((f) => /\.(ts|sh|mjs)$/.test(f))
    .map((f) => readFileSync(join(tests, f), "utf8"));
  const given = new Set(texts.flatMap((t) => t.match(/--[a-z][a-z0-9-]*/g) ?? []));
  const all = Object.values(commands).flatMap(({ options }) => Object.keys(options));
  expect([...new Set(all)].filter((o) => !given.has(`--${o}`))).toEqual([]);
});

test("limits by Docker's names (--io-weight, --device-read-bps, --device-write-bps) are those of controllers", () => {
  const disks = { "device-read-bps": ["/dev/sda:10M"], "device-write-bps": ["/dev/sda:5M", "8:16:1M"] };
  const device = { "/dev/sda": { read: "10M", write: "5M" }, "8:16": { write: "1M" } };
  expect(limits({ "io-weight": "200", ...disks })).toEqual({ io: { weight: "200", devices: device } });
  expect(limits({ "memory-reservation": "10M", "cpuset-mems": "0" })).toEqual({
    memory: { low: "10M" },
    cpuset: { mems: "0" },
  });
  expect(groupLimits({ memory: "64M", "memory-swap": "96M" })).toEqual({
    memory: { max: "64M", swap: String(32 << 20) },
  });
  expect(() => limits({ "device-read-bps": ["/dev/sda"] })).toThrow('--device-read-bps: "/dev/sda" is not of the form');
});

describe.skipIf(!isRoot)("by the command", () => {
  test("--memory-reservation, --cpuset-mems and --account", async () => {
    const group = `each-${process.pid}`;
    const given = ["--memory-reservation", "10M", "--cpuset-mems", "0", "--account", "cpu"];
    expect(await sh("group", "create", ...given, group)).toMatchObject({ code: 0, err: "" });
    try {
      const shown = JSON.parse((await sh("group", "show", group)).out);
      expect(shown).toMatchObject({ limits: { memory: { low: 10 << 20 }, cpuset: { mems: "0" } } });
      expect(shown.usage.cpu.time).toBeNumber();
    } finally {
      await sh("group", "remove", group);
    }
  });

  test("--device-cgroup-rule", async () => {
    const script = "mknod /tmp/kmsg c 1 11; (: </tmp/kmsg) 2>/dev/null && echo allowed; head -c 1 /dev/zero | wc -c";
    const caps = ["--cap-add", "MKNOD", "--cap-add", "SYSLOG"];
    expect(await run(...caps, "--device-cgroup-rule", "c 1:11 r", "--", "sh", "-c", script)).toBe("allowed\n1\n");
    expect(await run(...caps, "--device-cgroup-rule", "c 1:7 r", "--", "sh", "-c", script)).toBe("1\n");
  });

  test("--timens and --mountns", async () => {
    const look = (kind: string) => ["--", "readlink", `/proc/self/ns/${kind}`];
    const own = (kind: string) => Bun.spawnSync(["readlink", `/proc/self/ns/${kind}`]).stdout.toString();
    expect(await run("--timens", "host", ...look("time"))).toBe(own("time"));
    expect(await run("--timens", "new", ...look("time"))).not.toBe(own("time"));
    expect(await run("--mountns", "host", ...look("mnt"))).toBe(own("mnt"));
  });

  test("--clock and --date", async () => {
    const uptime = () => Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    const later = Number((await run("--clock", "boottime=+2d", "--", "cat", "/proc/uptime")).split(" ")[0]);
    expect(Math.abs(later - uptime() - 172_800)).toBeLessThan(60);
    expect(await run("--date", "2038-01-19T03:14:00Z", "--", "date", "-u", "+%F %H")).toBe("2038-01-19 03\n");
  });

  test("--answer", async () => {
    const script = "mknod /tmp/null c 1 3 && echo > /tmp/null && echo made";
    expect(await run("--answer", "mknod", "--", "sh", "-c", script)).toBe("made\n");
  });

  test("--path-ro and --path-rw", async () => {
    const readable = ["/usr", "/lib", "/lib64", "/bin", "/etc"].flatMap((p) => ["--path-ro", p]);
    const script = "echo a > /tmp/a && cat /tmp/a; (echo b > /etc/b) 2>/dev/null || echo refused; ls /root 2>/dev/null";
    const { out } = await sh("run", ...readable, "--path-rw", "/tmp", "--", "sh", "-c", script);
    expect(out).toBe("a\nrefused\n");
  });

  test("--pod", async () => {
    const pod = `each-${process.pid}`;
    expect(await sh("pod", "create", pod)).toMatchObject({ code: 0, err: "" });
    try {
      const look = () => run("--pod", pod, "--", "readlink", "/proc/self/ns/ipc", "/proc/self/ns/net");
      const first = await look();
      expect(await look()).toBe(first);
    } finally {
      expect((await sh("pod", "remove", pod)).code).toBe(0);
    }
  });

  test("--pressure", async () => {
    const group = `each-${process.pid}`;
    expect((await sh("group", "create", group)).code).toBe(0);
    try {
      const wrong = await sh("group", "events", "--pressure", "memory", group);
      expect(wrong).toMatchObject({ code: 125, err: expect.stringContaining('"memory.some=150ms"') });
    } finally {
      await sh("group", "remove", group);
    }
  });

  test("--oom-score-adj and --interactive", async () => {
    expect(await run("--oom-score-adj", "500", "--", "cat", "/proc/self/oom_score_adj")).toBe("500\n");
    expect(await run("--interactive", "--", "cat")).toBe("");
  });
});
