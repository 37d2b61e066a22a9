/**
 * `groups.js ROOT FORKS`: the figures of control groups, as lines of JSON {figure, unit, base, values}. FORKS is the
 * compiled bench/forks.c, which is in ROOT too.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, rmdirSync, writeSync } from "node:fs";
import { hierarchyOf } from "../src/cgroups/layout.ts";
import { layout } from "../src/cgroups/look.ts";
import { allControllers } from "../src/cgroups/table.ts";
import { ControlGroup, type GroupLimits, run, runIn, spawnIn } from "../src/index.ts";
import { median } from "./median.ts";

const [root = "", forks = ""] = process.argv.slice(2);
const say = (figure: string, unit: string, base: string, values: Record<string, number>) =>
  console.log(JSON.stringify({ figure, unit, base, values }));
const timed = async (act: () => unknown): Promise<number> => {
  const began = performance.now();
  await act();
  return performance.now() - began;
};
const name = `bench-${process.pid}`;
const found = layout();
const has = (c: string) => {
  const controller = allControllers().find((a) => a.name === c);
  return controller !== undefined && hierarchyOf(found, controller) !== undefined;
};

/** Limits that nobody reaches: what counting and checking costs. */
const each: Readonly<Record<string, GroupLimits>> = {
  memory: { memory: { max: "8G" } },
  cpu: { cpu: { weight: 100, max: 64 } },
  pids: { pids: { max: 100_000 } },
  cpuset: { cpuset: { cpus: "0-1" } },
  devices: { devices: { default: "allow", deny: ["c 99:99 m"] } },
  io: { io: { devices: {} } },
};

async function forking(): Promise<void> {
  const some = Object.entries(each).filter(([c]) => has(c));
  const groups: [string, ControlGroup][] = [["a group, no controller", await ControlGroup.create(name)]];
  for (const [c, limits] of some) groups.push([`${c} alone`, await ControlGroup.create(`${name}-${c}`, limits)]);
  const all = Object.assign({}, ...some.map(([, l]) => l)) as GroupLimits;
  groups.push(["every controller", await ControlGroup.create(`${name}-all`, all)]);
  try {
    for (const [kind, n] of [
      ["exit", 10_000],
      ["exec", 3000],
    ] as const) {
      const runs: Record<string, () => Promise<number>> = {
        "bare host": async () => Number(String(spawnSync(forks, [String(n), kind]).stdout)),
        "a container": async () => Number((await run(["/bin/forks", String(n), kind], { rootfs: root })).stdout),
      };
      for (const [label, group] of groups)
        runs[label] = async () => Number((await runIn(group, [forks, String(n), kind])).stdout);
      const times: Record<string, number[]> = {};
      for (let round = 0; round < 7; round++)
        for (const [label, one] of Object.entries(runs)) times[label] = [...(times[label] ?? []), await one()];
      const values = Object.fromEntries(Object.entries(times).map(([k, v]) => [k, median(v)]));
      say(`fork and ${kind}, one of ${n.toLocaleString("en")}`, "µs", "bare host", values);
    }
  } finally {
    for (const [, group] of groups) await group.remove();
  }
}

/** Freeze and thaw, and the same of a container by the peers' commands (main.ts asks for those). */
async function freezing(): Promise<void> {
  for (const n of [1, 100, 1000]) {
    const group = await ControlGroup.create(name);
    const child = await spawnIn(group, ["perl", "-e", `for (2..${n}) { last unless fork } sleep 600`]);
    while (group.processes().length < n) await new Promise((r) => setTimeout(r, 20));
    const [freeze, thaw]: [number[], number[]] = [[], []];
    for (let i = 0; i < 20; i++) {
      freeze.push(await timed(() => group.freeze()));
      thaw.push(await timed(() => group.thaw()));
    }
    say(`freeze and thaw ${n} processes through the library`, "ms", "freeze", {
      freeze: median(freeze),
      thaw: median(thaw),
    });
    await group.kill();
    await child.ended;
    await group.remove();
  }
}

const write = (path: string, text: string) => {
  const fd = openSync(path, "w");
  writeSync(fd, text);
  closeSync(fd);
};

/** Against the same system calls by hand, in the hierarchies of this machine. */
async function making(): Promise<void> {
  const pids = allControllers().find((c) => c.name === "pids");
  const memory = allControllers().find((c) => c.name === "memory");
  const tops = [pids, memory].map((c) => c && hierarchyOf(found, c)?.top) as [string, string];
  const home = found.v2 ? found.v2.point : tops[0];
  const dirs = [...new Set([home, ...tops])].map((t) => `${t}/caisson-${name}`);
  const file = found.v1["memory"] === undefined ? "memory.max" : "memory.limit_in_bytes";
  const idle = spawnIdle();
  const raw = () => {
    for (const d of dirs) mkdirSync(d);
    write(`${tops[0]}/caisson-${name}/pids.max`, "100");
    write(`${tops[1]}/caisson-${name}/${file}`, "67108864");
    for (const d of dirs) write(`${d}/cgroup.procs`, String(idle.pid));
    for (const t of new Set([home, ...tops])) write(`${t}/cgroup.procs`, String(idle.pid));
    for (const d of dirs) rmdirSync(d);
  };
  const own = async () => {
    const group = await ControlGroup.create(name, { pids: { max: 100 }, memory: { max: "64M" } });
    await group.add(idle.pid);
    for (const t of new Set([home, ...tops])) write(`${t}/cgroup.procs`, String(idle.pid));
    await group.remove();
  };
  const [a, b]: [number[], number[]] = [[], []];
  for (let i = 0; i < 300; i++) {
    a.push(await timed(raw));
    b.push(await timed(own));
  }
  idle.kill();
  // The first ones are interpreted.
  for (const [which, from, to] of [
    ["of the first 60", 10, 60],
    ["of the last 100 of 300", 200, 300],
  ] as const)
    say(`create, limit, add and remove a group, ${which}`, "ms", "the same calls by hand", {
      "the same calls by hand": median(a.slice(from, to)),
      ControlGroup: median(b.slice(from, to)),
    });
}

function spawnIdle(): { pid: number; kill(): void } {
  const out = spawnSync("sh", ["-c", "sleep 600 >/dev/null 2>&1 & echo $!"]);
  const pid = Number(String(out.stdout));
  return { pid, kill: () => process.kill(pid, "SIGKILL") };
}

/** Thousands of siblings, and groups within groups: whether the last costs more than the first. */
async function many(): Promise<void> {
  const siblings: ControlGroup[] = [];
  const times: number[] = [];
  const top = await ControlGroup.create(name);
  for (let i = 0; i < 4950; i++)
    times.push(
      await timed(async () => siblings.push(await top.create(`s${i}`, i < 1000 ? { pids: { max: 10 } } : {}))),
    );
  let deep = top;
  const depth: number[] = [];
  for (let i = 0; i < 50; i++)
    depth.push(
      await timed(async () => {
        deep = await deep.create("d");
      }),
    );
  say("make one of 5,000 groups", "ms", "first 100 siblings", {
    "first 100 siblings": median(times.slice(1000, 1100)),
    "last 100 siblings": median(times.slice(-100)),
    "first 10 levels": median(depth.slice(0, 10)),
    "last 10 of 50 levels": median(depth.slice(-10)),
  });
  const before = process.memoryUsage().rss;
  const usage = await timed(() => Promise.all(siblings.slice(0, 1000).map((g) => g.usage())));
  say("read the usage of 1,000 groups", "see name", "ms", {
    ms: usage,
    "MB more in this process": (process.memoryUsage().rss - before) / 2 ** 20,
  });
  await top.remove({ recursive: true, timeout: "60s" });
}

await forking();
await freezing();
await making();
await many();
process.exit(0);
