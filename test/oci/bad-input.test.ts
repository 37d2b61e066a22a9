import { expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle, shell, specOf } from "../conformance/bundle.ts";
import { isRoot, leftovers } from "../helpers/machine.ts";

const caisson = join(import.meta.dir, "../../dist/caisson-oci");

/** Runs it with a log, and expects the same error there and on standard error, exit status 1, and nothing made. */
function refused(b: Bundle, words: readonly string[], message: RegExp): void {
  const before = leftovers();
  const log = join(b.at, "log.json");
  const p = spawnSync(caisson, ["--log", log, "--log-format", "json", ...words], { encoding: "utf8", cwd: b.at });
  expect(p.status).toBe(1);
  expect(p.stderr).toMatch(message);
  const last = JSON.parse(readFileSync(log, "utf8").trim().split("\n").at(-1) ?? "") as { msg: string; level: string };
  expect(p.stderr).toContain(last.msg);
  expect(last.level).toBe("error");
  const { mounts, groups, files } = leftovers();
  expect({ mounts, groups, files }).toEqual({ mounts: before.mounts, groups: before.groups, files: before.files });
}

test.skipIf(!isRoot)("a configuration that is truncated, huge, not UTF-8, a directory, a FIFO, or not there", () => {
  using b = new Bundle(["true"]);
  const config = join(b.at, "config.json");
  const run = () => ["--root", b.state, "run", "--bundle", b.at, b.id];
  const text = readFileSync(config, "utf8");
  writeFileSync(config, text.slice(0, text.length >> 1));
  refused(b, run(), /config\.json: not JSON/);
  writeFileSync(config, Buffer.concat([Buffer.from(text.slice(0, -1)), Buffer.from([0x2c, 0x22, 0xff, 0xfe, 0x22])]));
  refused(b, run(), /config\.json: not UTF-8/);
  spawnSync("truncate", ["-s", "40M", config]);
  refused(b, run(), /are more than/);
  renameSync(config, `${config}.old`);
  refused(b, run(), /config\.json: ENOENT/);
  mkdirSync(config);
  refused(b, run(), /not a file/);
  spawnSync("rmdir", [config]);
  spawnSync("mkfifo", [config]);
  refused(b, run(), /not a file/);
});

test.skipIf(!isRoot)("a thousand and more of what there are a few of", () => {
  const many = Array.from({ length: 1500 }, (_, i) => i);
  const mounts = many.map((i) => ({ destination: `/tmp/${i}`, type: "tmpfs", source: "tmpfs" }));
  const linux = { maskedPaths: many.map((i) => `/proc/${i}x`), readonlyPaths: many.map((i) => `/sys/${i}`) };
  using b = new Bundle(["sh", "-c", "grep -c ' /tmp/' /proc/self/mounts"], (s) => ({
    ...s,
    mounts: [...(s.mounts ?? []), ...mounts],
    linux: { ...s.linux, ...linux },
  }));
  expect(b.call(["run", "--bundle", b.at, b.id])).toMatchObject({ code: 0, out: "1500\n" });
});

test.skipIf(!isRoot)("explain prints the system calls of a bundle, and makes none", () => {
  using b = new Bundle(["true"]);
  const before = leftovers();
  const r = b.call(["explain", "--bundle", b.at, b.id]);
  expect(r.code).toBe(0);
  expect(r.out).toContain("clone3(");
  expect(r.out).toContain('pivot_root(".", ".")');
  const sections = JSON.parse(b.call(["explain", "--json", "--bundle", b.at, b.id]).out) as { name: string }[];
  expect(sections.map((s) => s.name)).toContain("container");
  expect(existsSync(join(b.state, b.id))).toBe(false);
  expect(leftovers()).toEqual(before);
});

test.skipIf(!isRoot)("ids that are none", () => {
  using b = new Bundle(["true"]);
  for (const id of ["a/b", "..", "x".repeat(5000), "a b"])
    refused(b, ["--root", b.state, "run", "--bundle", b.at, "--", id], /ID: /);
  refused(b, ["--root", b.state, "run", "--bundle", b.at], /ID: required/);
});

test.skipIf(!isRoot)("options that are none", () => {
  using b = new Bundle(["true"]);
  refused(b, ["--root", b.state, "run", "--no-such-option", b.id], /--no-such-option/);
  refused(b, ["--root", b.state, "run", "--preserve-fds", "many", b.id], /--preserve-fds/);
  refused(b, ["--root", b.state, "run", "--preserve-fds", "3", b.id], /file descriptor 3 is not open/);
  refused(b, ["--root", b.state, "no-such-command"], /is not a command/);
  refused(b, ["--cgroup-manager", "other", "--root", b.state, "run", b.id], /--cgroup-manager/);
});

test.skipIf(!isRoot)("a root for state that is read-only, full, or a file", () => {
  using b = new Bundle(["true"]);
  mkdirSync(b.state);
  const own = (options: string) => `mount -t tmpfs -o ${options} none ${b.state}`;
  const inMounts = (line: string, message: RegExp) => {
    const words = [caisson, "--root", b.state, "run", "--bundle", b.at, b.id];
    const p = spawnSync(
      "unshare",
      ["-m", "--propagation", "private", "sh", "-c", `${line} && exec "$@"`, "sh", ...words],
      {
        encoding: "utf8",
      },
    );
    expect(p.status).toBe(1);
    expect(p.stderr).toMatch(message);
    expect(leftovers().groups.filter((g) => g.includes(b.id))).toEqual([]);
  };
  inMounts(own("ro"), /read-only file system/);
  inMounts(own("nr_inodes=2"), /no space left on device/);
  inMounts(`${own("size=4k")} && head -c 4096 /dev/zero > ${b.state}/full`, /no space left on device/);
  spawnSync("rmdir", [b.state]);
  writeFileSync(b.state, "");
  refused(b, ["--root", b.state, "run", "--bundle", b.at, b.id], /EEXIST|ENOTDIR|not a directory/);
});

test.skipIf(!isRoot)(
  "a bundle that changes while it is read: one configuration or the other, never a mixture",
  async () => {
    using b = new Bundle(["true"]);
    const versions = ["first", "second"].map((word) =>
      JSON.stringify({
        ...specOf(shell("echo $WORD; echo $WORD-again")),
        process: { ...specOf(shell("echo $WORD; echo $WORD-again")).process, env: ["PATH=/bin", `WORD=${word}`] },
      }),
    );
    const line = `while :; do for v in 0 1; do cp ${b.at}/v$v ${b.at}/new && mv ${b.at}/new ${b.at}/config.json; done; done`;
    versions.forEach((text, i) => {
      writeFileSync(join(b.at, `v${i}`), text);
    });
    b.write(versions[0] ?? "");
    const writer = Bun.spawn(["sh", "-c", line]);
    try {
      for (let i = 0; i < 30; i++) {
        const r = b.run();
        expect(r.code).toBe(0);
        expect(["first\nfirst-again\n", "second\nsecond-again\n"]).toContain(r.out);
      }
    } finally {
      writer.kill("SIGKILL");
      await writer.exited;
    }
    expect(existsSync(b.state) ? readdirSync(b.state) : []).toEqual([]);
  },
);

test.skipIf(!isRoot)(
  "long options with one dash, as runc's may be given; a value that begins with one is a value",
  () => {
    using b = new Bundle(["true"]);
    const run = ["-root", b.state, "run", "-no-subreaper", "-bundle", b.at, "-pid-file=pid"];
    const { status, stderr } = spawnSync(caisson, [...run, b.id], { encoding: "utf8", cwd: b.at });
    expect([status, stderr]).toEqual([0, ""]);
    expect(existsSync(join(b.at, "pid"))).toBe(true);
    refused(b, ["-root", b.state, "run", "--bundle", "-root", b.id], /-root/);
    refused(b, ["run", "-no-such", b.id], /Unknown option 'n'/);
  },
);
