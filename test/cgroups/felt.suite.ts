import assert from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Given } from "./group.suite.ts";

const isV1 = (controller: string) =>
  new RegExp(` - cgroup \\S+ \\S*\\b${controller}\\b`).test(readFileSync("/proc/self/mountinfo", "utf8"));
const spin = ["sh", "-c", "while :; do :; done"];
const wholeDisk = (dev: number) => `${(dev >> 8) & 0xfff}:${dev & 0xff}`;

/** A disk of nobody's, which the virtual machine has; else the one that a directory is on. A partition's limits are its disk's. */
function diskOf(dir: string): { readonly file: string; readonly device: string } | undefined {
  const own = process.env["CAISSON_TEST_DISK"];
  if (own !== undefined) return { file: own, device: wholeDisk(statSync(own).rdev) };
  const disk = wholeDisk(statSync(dir).dev);
  const at = `/sys/dev/block/${disk}`;
  if (!existsSync(at)) return undefined;
  const isPart = existsSync(join(at, "partition"));
  return { file: join(dir, "file"), device: isPart ? readFileSync(join(at, "..", "dev"), "utf8").trim() : disk };
}

const [RDMA, UVERBS] = ["/sys/class/infiniband", "/dev/infiniband/uverbs0"];
/** Makes two contexts of a device, which are what a handle is counted for: IB_USER_VERBS_CMD_GET_CONTEXT of rdma/ib_user_verbs.h. */
const CONTEXTS = `$| = 1; for (1, 2) {
  open my $f, "+<", "${UVERBS}" or die $!; push @held, $f;
  my $answer = "\\0" x 64; my $ask = pack "LSSQ", 0, 4, 2, unpack("Q", pack("P", $answer));
  print defined(syswrite $f, $ask) ? "made\\n" : "$!\\n" } sleep 60`;

/** Each limit as the processes feel it, not as it is written. */
export const cases: Readonly<Record<string, (g: Given) => Promise<void>>> = {
  "a CPU quota slows down to what it says": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { cpu: { max: 0.4, period: "20ms" } });
    const child = await c.spawnIn(group, spin);
    const shares: number[] = [];
    // A machine that is busy with other things gives less: one window of three must be as it says.
    while (shares.length < 3 && !shares.some((s) => s > 0.36 && s < 0.44)) {
      await sleep(300);
      const [t0, u0] = [performance.now(), (await group.usage()).cpu?.time ?? 0];
      await sleep(2000);
      shares.push((((await group.usage()).cpu?.time ?? 0) - u0) / ((performance.now() - t0) / 1000));
      assert.ok((shares.at(-1) ?? 1) < 0.46, `it had ${shares} of a CPU`);
    }
    assert.ok(
      shares.some((s) => s > 0.36),
      `it had ${shares} of a CPU`,
    );
    assert.ok(((await group.usage()).cpu?.throttled ?? 0) > 10);
    await group.kill();
    await child.ended;
  },

  "a weight divides a CPU among siblings": async ({ c, name }) => {
    await using top = await c.ControlGroup.create(name, { cpuset: { cpus: "0" } });
    const [light, heavy] = [
      await top.create("light", { cpu: { weight: 50 } }),
      await top.create("heavy", { cpu: { weight: 400 } }),
    ];
    const children = [await c.spawnIn(light, spin), await c.spawnIn(heavy, spin)];
    await sleep(2500);
    const [a, b] = [(await light.usage()).cpu?.time ?? 0, (await heavy.usage()).cpu?.time ?? 0];
    assert.ok(b / a > 4, `${b.toFixed(2)} s against ${a.toFixed(2)} s`);
    await top.kill();
    for (const child of children) await child.ended;
  },

  "a CPU set keeps off the other CPUs": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { cpuset: { cpus: "0" } });
    const r = await c.runIn(group, ["sh", "-c", "grep Cpus_allowed_list /proc/self/status; nproc"]);
    assert.equal(r.stdout, "Cpus_allowed_list:\t0\n1\n");
  },

  "a limit of processes makes fork fail": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { pids: { max: 3 } });
    const r = await c.runIn(group, [
      "perl",
      "-e",
      "for (1..5) { my $p = fork; if (!defined $p) { print $!; exit 7 } if (!$p) { close STDOUT; close STDERR; sleep 5; exit } }",
    ]);
    assert.deepEqual([r.exitCode, r.stdout], [7, "Resource temporarily unavailable"]);
    assert.ok(((await group.usage()).pids?.maxReached ?? 1) >= 1);
    await group.kill();
  },

  "a memory limit kills, and one below what is used is refused or felt at once": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { memory: { max: "64M", swap: 0 } });
    const hungry = await c.runIn(group, ["tail", "/dev/zero"]);
    assert.equal(hungry.signal, "SIGKILL");
    assert.equal((await group.usage()).memory?.oomKills, 1);
    const child = await c.spawnIn(group, ["perl", "-e", "$x = 'x' x 30e6; print 'ready'; $| = 1; print ''; sleep 60"]);
    const end = Date.now() + 10_000;
    while (((await group.usage()).memory?.anonymous ?? 0) < 29e6 && Date.now() < end) await sleep(20);
    if (isV1("memory")) {
      await assert.rejects(group.update({ pids: { max: 7 }, memory: { max: "8M" } }), (e: Error) =>
        /EBUSY/.test(e.message),
      );
      assert.equal((await group.limits()).memory?.max, 64 * 2 ** 20);
      assert.equal((await group.limits()).pids?.max ?? Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
      await group.kill();
    } else await group.update({ memory: { max: "8M" } });
    assert.equal((await child.ended).signal, 9);
  },

  "a kill below is counted in the group above": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { memory: { max: "256M" } });
    const below = await group.create("below", { memory: { max: "32M", swap: 0 } });
    assert.equal((await c.runIn(below, ["tail", "/dev/zero"])).signal, "SIGKILL");
    assert.equal((await below.usage()).memory?.oomKills, 1);
    assert.equal((await group.usage()).memory?.oomKills, 1);
  },

  "memory.high slows down without killing": async ({ c, name, skip }) => {
    if (isV1("memory")) {
      await assert.rejects(c.ControlGroup.create(name, { memory: { high: "8M" } }), { name: "UnsupportedError" });
      return skip("control groups v1 have no memory.high");
    }
    await using group = await c.ControlGroup.create(name, { memory: { high: "16M" } });
    const events: string[] = [];
    const over = new AbortController();
    const watching = (async () => {
      for await (const e of group.events({ signal: over.signal })) events.push(e.type);
    })();
    await sleep(100);
    const child = await c.spawnIn(group, ["tail", "/dev/zero"]);
    const end = Date.now() + 10_000;
    while (!events.includes("high") && Date.now() < end) await sleep(20);
    over.abort();
    await watching;
    assert.ok(events.includes("high"));
    assert.ok(((await group.usage()).memory?.current ?? 0) < 64 * 2 ** 20);
    await group.kill();
    await child.ended;
  },

  "a rate of writing is kept": async ({ c, name, skip }) => {
    const dir = mkdtempSync("/var/tmp/caisson-io-");
    try {
      const where = diskOf(dir);
      if (where === undefined) return skip(`${dir} is on no block device`);
      const io = { devices: { [where.device]: { write: "2MB/s" } } };
      await using group = await c.ControlGroup.create(name, { io });
      const began = performance.now();
      const r = await c.runIn(group, ["dd", "if=/dev/zero", `of=${where.file}`, "bs=64k", "count=64", "oflag=direct"]);
      const seconds = (performance.now() - began) / 1000;
      assert.equal(r.exitCode, 0, r.stderr);
      assert.ok(seconds > 1.4, `4 MB took ${seconds.toFixed(2)} s`);
      assert.ok(((await group.usage()).io?.write ?? 0) >= 4 * 2 ** 20);
    } finally {
      rmSync(dir, { recursive: true });
    }
  },

  "a limit of RDMA handles: the context above it cannot be made": async ({ c, name, skip }) => {
    const [device] = existsSync(RDMA) ? readdirSync(RDMA) : [];
    if (device === undefined || !existsSync(UVERBS)) return skip("there is no RDMA device");
    await using group = await c.ControlGroup.create(name, { rdma: { [device]: { handles: 1 } } });
    const child = await c.spawnIn(group, ["perl", "-e", CONTEXTS]);
    const reader = child.stdout?.[Symbol.asyncIterator]();
    let said = "";
    while (said.split("\n").length < 3) {
      const { value, done } = (await reader?.next()) ?? { done: true };
      if (done) break;
      said += new TextDecoder().decode(value as Uint8Array);
    }
    assert.equal(said, "made\nResource temporarily unavailable\n");
    assert.equal((await group.usage()).rdma?.[device]?.handles, 1);
    await group.kill();
    await child.ended;
    assert.equal((await group.usage()).rdma?.[device]?.handles ?? 0, 0);
  },

  "a limit of huge pages: the page above it is not to be had": async ({ c, name, skip }) => {
    const [file, wanted] = ["/proc/sys/vm/nr_hugepages", 4];
    const found = existsSync(file) ? Number(readFileSync(file, "utf8")) : undefined;
    if (process.arch !== "x64" || found === undefined) return skip("the kernel has no huge pages of 2 MB");
    try {
      try {
        writeFileSync(file, String(found + wanted));
      } catch (e) {
        return skip(`huge pages cannot be reserved: ${(e as NodeJS.ErrnoException).code}`);
      }
      if (Number(readFileSync(file, "utf8")) < found + wanted) return skip("the kernel has no memory for huge pages");
      const made = await c.ControlGroup.create(name, { hugetlb: { "2MB": { max: "2M" } } }).catch((e: Error) => e);
      if (made instanceof Error) {
        assert.match(made.message, /was not given this controller: systemd delegates/);
        return skip("systemd does not delegate the controller");
      }
      await using group = made;
      // mmap(2) with MAP_HUGETLB, and a byte read into each page: where there is none, read(2) has no place to put it.
      const script =
        'open my $z, "<", "/dev/zero"; my $at = syscall(9, 0, 4 << 20, 3, 0x40022, -1, 0);' +
        'for my $page (0, 1) { my $n = syscall(0, fileno $z, $at + ($page << 21), 1); print $n, $n < 0 ? " $!" : "", "\\n" }';
      const r = await c.runIn(group, ["perl", "-e", script]);
      assert.equal(r.stdout, "1\n-1 Bad address\n", r.stderr);
      assert.ok(((await group.usage()).hugetlb?.["2MB"]?.maxReached ?? 0) >= 1);
    } finally {
      writeFileSync(file, String(found));
    }
  },

  "a group that vanished is said to be gone": async ({ c, name }) => {
    const group = await c.ControlGroup.create(name);
    rmdirSync(group.directory);
    for (const act of [
      () => group.update({ pids: { max: 3 } }),
      () => group.usage(),
      () => group.add(process.pid),
      () => group.freeze(),
    ])
      await assert.rejects(act(), {
        name: "NameError",
        message: new RegExp(`there is no control group ${name} any more`),
      });
    await group.remove();
  },
};
