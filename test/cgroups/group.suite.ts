import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { PassThrough } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

type Library = typeof import("../../src/index.ts");
/** What a case is given: the library, a name that nobody else has, and what this machine lacks (to skip by name). */
export type Given = { readonly c: Library; readonly name: string; readonly skip: (reason: string) => void };

const eventually = async (what: string, test: () => boolean | Promise<boolean>, ms = 20_000) => {
  const end = Date.now() + ms;
  while (!(await test())) {
    assert.ok(Date.now() < end, `waited too long: ${what}`);
    await sleep(5);
  }
};

/** A process that is in none of our groups. */
async function sleepOutside(): Promise<{ pid: number; kill: () => void }> {
  const child = spawn("sleep", ["60"], { stdio: "ignore" });
  return { pid: child.pid ?? 0, kill: () => void child.kill("SIGKILL") };
}

/** Everybody in it forks, again and again, whether it works or not. */
const BOMB = ["perl", "-e", "for (;;) { fork; select undef, undef, undef, 0.005 }"];

export const cases: Readonly<Record<string, (g: Given) => Promise<void>>> = {
  "makes, reads back, counts and removes": async ({ c, name }) => {
    const group = await c.ControlGroup.create(name, {
      memory: { max: "64M", low: "16M" },
      cpu: { max: 1.5, weight: 200, period: "50ms" },
      pids: { max: "100" },
    });
    const { memory, cpu, pids } = await group.limits();
    assert.equal(memory?.max, 64 * 2 ** 20);
    assert.equal(memory?.low, 16 * 2 ** 20);
    assert.deepEqual([cpu?.max, cpu?.period, cpu?.weight], [1.5, 0.05, 200]);
    assert.equal(pids?.max, 100);
    const r = await c.runIn(group, [
      "sh",
      "-c",
      "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; cat /proc/self/cgroup",
    ]);
    assert.equal(r.exitCode, 0);
    assert.match(r.stdout, new RegExp(`/caisson-${name}\n`));
    const usage = await group.usage();
    assert.ok((usage.cpu?.time ?? 0) > 0, "CPU time was counted");
    assert.ok((usage.memory?.peak ?? 0) > 0, "memory was counted");
    assert.equal(usage.processes, 0);
    assert.deepEqual(
      (await c.ControlGroup.list()).map((g) => g.name).filter((n) => n === name),
      [name],
    );
    await assert.rejects(c.ControlGroup.create(name), { name: "NameError", message: /is there already/ });
    await group.remove();
    await assert.rejects(c.ControlGroup.open(name), { name: "NameError" });
  },

  "what another handle gives it, whoever made it knows": async ({ c, name }) => {
    const made = await c.ControlGroup.create(name, { pids: { max: 100 } });
    const other = await c.ControlGroup.open(name);
    await other.update({ cpuset: { cpus: "0" } });
    const sleeper = await c.runIn(made, ["sh", "-c", "grep Cpus_allowed_list /proc/self/status"]);
    assert.equal(sleeper.stdout, "Cpus_allowed_list:\t0\n");
    const { pid, kill } = await sleepOutside();
    try {
      await made.add(pid);
      assert.match(readFileSync(`/proc/${pid}/status`, "utf8"), /^Cpus_allowed_list:\t0$/m);
    } finally {
      kill();
    }
    await eventually("the process has ended", () => made.processes().length === 0);
    await made.remove();
    assert.deepEqual(
      (await c.ControlGroup.list()).map((g) => g.name).filter((n) => n === name),
      [],
    );
  },

  "refuses what is wrong before anything is touched": async ({ c, name }) => {
    const { create } = { create: (limits: object) => c.ControlGroup.create(name, limits) };
    for (const [limits, message] of [
      [{ memory: { max: "12Q" } }, 'limits.memory.max: "12Q" is not a size'],
      [{ memory: { most: "1M" } }, 'limits.memory.most: "1M" is not a limit; memory has min, low'],
      [{ cpu: { weight: 0 } }, "limits.cpu.weight: 0 is not a weight from 1 to 10000"],
      [{ cpu: { max: 0.001 } }, "limits.cpu.max: 0.001 is not at least 1 ms of CPU time per period"],
      [{ cpuset: { cpus: "3-1" } }, 'limits.cpuset.cpus: "3-1" is not a list of numbers and ranges'],
      [{ pids: { max: -1 } }, "limits.pids.max: -1 is not a whole number"],
      [
        { io: { devices: { "/etc/passwd": { read: "1M/s" } } } },
        'limits.io.devices./etc/passwd: "/etc/passwd" is not a block device',
      ],
      [{ devices: { allow: ["x 1:3"] } }, 'limits.devices.allow: "x 1:3" is not a device such as'],
      [{ rlimits: { nofiles: 3 } }, 'limits.rlimits: "nofiles" is not one of cpu, fsize'],
      [{ gpu: { max: 1 } }, 'limits.gpu: "gpu" is not a controller; known are cpu, cpuset'],
    ] as const)
      await assert.rejects(
        create(limits),
        (e: Error) => e.name === "InvalidOptionError" && e.message.startsWith(message),
      );
    await assert.rejects(c.ControlGroup.create("../x"), { name: "InvalidOptionError" });
    await assert.rejects(c.ControlGroup.create("a/cgroup.procs"), { name: "InvalidOptionError" });
    await assert.rejects(c.ControlGroup.create(`${name}/child`), { name: "NameError" });
    assert.equal((await c.ControlGroup.list()).filter((g) => g.name === name).length, 0);
  },

  "undoes all when the kernel refuses one limit": async ({ c, name }) => {
    await assert.rejects(
      c.ControlGroup.create(name, { memory: { max: "64M" }, pids: { max: 5 }, cpuset: { cpus: "4000" } }),
      (e: Error) => e.name === "ControlGroupError" && /cpuset\.cpus: E/.test(e.message),
    );
    assert.equal((await c.ControlGroup.list()).filter((g) => g.name === name).length, 0);
  },

  "updates all limits or none": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, {
      memory: { max: "64M" },
      pids: { max: 5 },
      cpuset: { cpus: "0" },
    });
    const before = await group.limits();
    await assert.rejects(
      group.update({ memory: { max: "32M" }, pids: { max: 9 }, cpu: { max: 0.5 }, cpuset: { cpus: "4000" } }),
      { name: "ControlGroupError" },
    );
    const { cpu: _, ...after } = await group.limits();
    const { cpu: __, ...expected } = before;
    assert.deepEqual(after, expected);
    await group.update({ memory: { max: "32M" }, pids: { max: "max" }, cpu: { max: 0.5 } });
    const { memory, pids, cpu } = await group.limits();
    assert.deepEqual([memory?.max, pids?.max, cpu?.max], [32 * 2 ** 20, Number.POSITIVE_INFINITY, 0.5]);
  },

  "raises and lowers memory and swap in the right order": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { memory: { max: "64M", swap: "16M" } });
    for (const [max, swap] of [
      ["256M", "64M"],
      ["32M", "1M"],
      ["128M", 0],
    ] as const) {
      await group.update({ memory: { max, swap } });
      const { memory } = await group.limits();
      assert.equal(memory?.max, Number.parseInt(max, 10) * 2 ** 20);
      if (memory?.swap !== undefined) assert.equal(memory.swap, Number.parseInt(String(swap), 10) * 2 ** 20);
    }
  },

  "an idle group has a weight again when it is none any more": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { cpu: { weight: 200, idle: true } });
    const now = async () => (await group.limits()).cpu;
    assert.equal((await now())?.idle, true);
    // The kernel takes no weight of it now: the same limits once more are no error.
    await group.update({ cpu: { weight: 200, idle: true, max: 1.5 } });
    assert.equal((await now())?.max, 1.5);
    await assert.rejects(group.update({ cpu: { weight: 300 } }), { name: "ControlGroupError" });
    await group.update({ cpu: { weight: 300, idle: false } });
    assert.deepEqual([(await now())?.idle, (await now())?.weight], [false, 300]);
  },

  "moves a limit's processes along when it comes later": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name);
    const child = await c.spawnIn(group, ["sh", "-c", "sleep 60 & sleep 60 & wait"]);
    await eventually("three processes", () => group.processes().length === 3);
    await group.update({ pids: { max: 3 } });
    assert.equal((await group.usage()).pids?.current, 3);
    await group.kill();
    assert.equal((await child.ended).exitCode, 137);
  },

  "freezes a fork bomb at once, and kills it frozen": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { pids: { max: 600 } });
    const inner = await group.create("inner");
    const bomb = await c.spawnIn(inner, BOMB);
    await eventually("a crowd", () => group.processes({ recursive: true }).length > 300);
    await group.freeze();
    assert.equal(group.state(), "frozen");
    const stopped = group.processes({ recursive: true });
    assert.ok(stopped.length > 100, `${stopped.length} processes`);
    await sleep(100);
    assert.deepEqual(group.processes({ recursive: true }), stopped);
    await group.kill();
    assert.deepEqual(group.processes({ recursive: true }), []);
    assert.equal((await bomb.ended).signal, 9);
  },

  "a freeze that another undoes is not waited for": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { pids: { max: 600 } });
    const bomb = await c.spawnIn(group, BOMB);
    await eventually("a crowd", () => group.processes().length > 300);
    // A crowd stands still only after a while, but that may be before it is thawed.
    const outcomes: unknown[] = [];
    for (let i = 0; i < 50 && !outcomes.some((o) => o instanceof Error); i++) {
      const frozen = group.freeze({ timeout: "10m" }).catch((e) => e);
      await group.thaw();
      outcomes.push(await frozen);
    }
    assert.match(String(outcomes.at(-1)), /thawed or removed by another/);
    await group.kill();
    await bomb.ended;
  },

  "nested freezes compose": async ({ c, name }) => {
    await using outer = await c.ControlGroup.create(name);
    const inner = await outer.create("inner");
    const child = await c.spawnIn(inner, ["sleep", "60"]);
    await inner.freeze();
    await outer.freeze();
    await inner.thaw();
    assert.equal(inner.state(), "frozen", "the outer group holds it");
    await outer.thaw();
    assert.equal(inner.state(), "thawed");
    await inner.freeze();
    await outer.freeze();
    await outer.thaw();
    assert.equal(inner.state(), "frozen", "its own freeze holds it");
    await outer.kill();
    assert.equal((await child.ended).signal, 9);
  },

  "limits of each process hold for the group, and for whoever joins": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { rlimits: { nofile: [64, 128] } });
    const script = "read x; ulimit -n; ulimit -Hn; sh -c 'ulimit -n'";
    const all = await c.runIn(group, ["sh", "-c", script], { input: "go\n" });
    assert.equal(all.stdout, "64\n128\n64\n");
    const input = new PassThrough();
    const child = await c.spawnIn(group, ["sh", "-c", "echo ready; read x; ulimit -n"], { input });
    const lines = child.lines();
    assert.equal((await lines.next()).value, "ready");
    await group.freeze();
    assert.deepEqual((await group.update({ rlimits: { nofile: 32 } })).notApplied, []);
    assert.equal(group.state(), "frozen", "what was frozen stays frozen");
    await group.thaw();
    input.end("go\n");
    assert.deepEqual((await group.limits()).rlimits, [{ type: "RLIMIT_NOFILE", soft: 32, hard: 32 }]);
    assert.equal((await lines.next()).value, "32");
    assert.equal((await child.ended).exitCode, 0);
  },

  "tells what happens": async ({ c, name }) => {
    const group = await c.ControlGroup.create(name, { memory: { max: "16M", swap: 0 }, pids: { max: 20 } });
    const seen: string[] = [];
    const watching = (async () => {
      for await (const e of group.events()) seen.push("value" in e ? `${e.type} ${e.value}` : e.type);
    })();
    await sleep(100);
    const child = await c.spawnIn(group, ["sh", "-c", "sleep 0.3; tail /dev/zero; sleep 60"]);
    await eventually("populated", () => seen.includes("populated true"));
    await group.freeze();
    await eventually("frozen", () => seen.includes("frozen true"));
    await group.thaw();
    await eventually("thawed", () => seen.includes("frozen false"));
    await eventually("an out-of-memory kill", () => seen.includes("oom_kill"));
    await group.kill();
    await child.ended;
    await eventually("empty", () => seen.includes("populated false"));
    await group.remove();
    await watching;
    assert.equal(seen.at(-1), "removed");
  },

  "tells of pressure": async ({ c, name, skip }) => {
    if (!existsSync("/proc/pressure/cpu")) return skip("the kernel counts no pressure (psi=0)");
    await using group = await c.ControlGroup.create(name, { cpu: { max: 0.2 } });
    if (Object.keys(group.pressure()).length === 0) return skip("groups have no pressure files here");
    const over = new AbortController();
    const child = await c.spawnIn(group, ["sh", "-c", "(while :; do :; done) & while :; do :; done"]);
    const events = group.events({ signal: over.signal, pressure: { cpu: { some: "100ms" } } });
    for await (const e of events)
      if (e.type === "pressure" && "stall" in e) {
        assert.equal(e.kind, "cpu");
        assert.ok(e.stall.total > 0);
        break;
      }
    over.abort();
    assert.ok((group.pressure().cpu?.some?.total ?? 0) > 0.1);
    await group.kill();
    await child.ended;
    await assert.rejects(group.events({ pressure: { memory: { some: "3s" } } }).next(), { name: "InvalidOptionError" });
  },

  "says who is still inside, and leaves what it did not make alone": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name);
    const child = await c.spawnIn(group, ["sleep", "60"]);
    await eventually("exec", () => {
      const [pid] = group.processes();
      return pid !== undefined && /sleep/.test(readFileSync(`/proc/${pid}/comm`, "utf8"));
    });
    await assert.rejects(group.remove({ timeout: "50ms" }), (e: Error) => /EBUSY.*sleep \(\d+\)/.test(e.message));
    await group.create("child");
    await assert.rejects(group.remove(), (e: Error) => /it has groups in it \(child\)/.test(e.message));
    const mine = await c.ControlGroup.of(process.pid);
    if (mine) await assert.rejects(mine.remove(), { name: "InvalidOptionError" });
    await group.remove({ recursive: true, kill: true });
    assert.equal((await child.ended).signal, 9);
    await group.remove();
  },

  "enforces access to devices": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { devices: { allow: ["/dev/null rw", "c 1:5 r"] } });
    const script =
      "echo > /dev/null && echo null; head -c1 /dev/zero >/dev/null && echo zero; (: > /dev/zero) 2>/dev/null || echo zero-write; head -c1 /dev/urandom >/dev/null 2>&1 || echo urandom";
    assert.equal((await c.runIn(group, ["sh", "-c", script])).stdout, "null\nzero\nzero-write\nurandom\n");
    await group.update({ devices: { allow: ["a"], deny: ["c 1:5 w"] } });
    assert.equal((await c.runIn(group, ["sh", "-c", script])).stdout, "null\nzero\nzero-write\n");
    await group.update({ devices: { default: "allow" } });
    assert.equal((await c.runIn(group, ["sh", "-c", script])).stdout, "null\nzero\n");
  },

  "runs nothing in a group that is gone, and tells who was killed for memory": async ({ c, name }) => {
    const group = await c.ControlGroup.create(name, { memory: { max: "20M" } });
    const run = (...command: string[]) => c.runIn(group, command);
    try {
      const killed = await run("tail", "/dev/zero");
      assert.deepEqual([killed.oomKilled, killed.signal], [true, "SIGKILL"]);
      assert.equal((await run("true")).oomKilled, false);
      assert.equal((await run("sh", "-c", "tail /dev/zero; true")).oomKilled, true);
    } finally {
      await group.remove();
    }
    await assert.rejects(run("true"), /there is no control group/);
    await assert.rejects(c.spawnIn(group, ["true"]), { name: "NameError" });
  },

  "gives a group to a user": async ({ c, name }) => {
    await using group = await c.ControlGroup.create(name, { pids: { max: 10 } });
    await group.delegate({ uid: 12345 });
    const made = await c.runIn(group, [
      "setpriv",
      "--reuid=12345",
      "--clear-groups",
      "sh",
      "-c",
      `mkdir ${group.directory}/mine && rmdir ${group.directory}/mine && echo made; echo 99 2>/dev/null > ${group.directories.at(-1)}/pids.max || echo no`,
    ]);
    assert.equal(made.stdout, "made\nno\n");
  },

  "takes a controller of a third party": async ({ c, name }) => {
    const before = await c.ControlGroup.create(`${name}-0`);
    await before.remove();
    c.registerController({
      name: "depth",
      v2: "core",
      config: "cgroup v2",
      parse: (input: { max?: number }) => input,
      writes: (l: { max?: number }) => (l.max === undefined ? [] : [{ file: "cgroup.max.depth", text: String(l.max) }]),
      limits: (f: { read(file: string): string | undefined }) => ({ max: Number(f.read("cgroup.max.depth")) }),
      usage: () => ({}),
    });
    const limits = { depth: { max: 1 } } as object;
    await using group = await c.ControlGroup.create(name, limits);
    assert.deepEqual(((await group.limits()) as { depth?: object }).depth, { max: 1 });
    const child = await group.create("a");
    await assert.rejects(child.create("b"), (e: Error) => /cgroup\.max\.depth/.test(e.message));
  },

  "brings a process back where one hierarchy refuses it": async ({ c, name }) => {
    await using full = await c.ControlGroup.create(name, { pids: { max: 1 }, memory: { max: "32M" } });
    await assert.rejects(
      full.add(999_999_999),
      (e: Error) => e.name === "ControlGroupError" && /ESRCH/.test(e.message),
    );
    await assert.rejects(full.add(-1), { name: "InvalidOptionError" });
    assert.deepEqual(full.processes(), []);
  },
};
