/**
 * containerd with our shim, with its own and runc, and with its own and our runtime, interleaved: a container end to end, a
 * command in one that runs, and the memory of what stays behind. Prints a line of JSON per figure. shim.ts WORK ROOT ROUNDS
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "./median.ts";

const [work = "", root = "", given = "20"] = process.argv.slice(2);
const rounds = Math.min(Number(given), 20);
const caisson = join(import.meta.dirname, "../dist/caisson-oci");
const at = join(work, "containerd");
const socket = join(at, "socket");

const say = (figure: string, unit: string, base: string, values: Record<string, number>) =>
  console.log(JSON.stringify({ figure, unit, base, values }));

const ctr = (...words: string[]): number =>
  spawnSync("ctr", ["-a", socket, ...words], { stdio: "ignore", timeout: 60_000 }).status ?? -1;
function timed(...words: string[]): number {
  const began = performance.now();
  const status = ctr(...words);
  if (status !== 0) throw new Error(`ctr ${words.join(" ")}: ${status}`);
  return performance.now() - began;
}

const RUNC = "containerd-shim-runc-v2 and runc";
const choices: Readonly<Record<string, readonly string[]>> = {
  "our shim": ["--runtime", "io.containerd.caisson.v2"],
  "containerd-shim-runc-v2 and caisson-oci": ["--runc-binary", caisson],
  [RUNC]: ["--runc-binary", "runc"],
};

mkdirSync(join(at, "bin"), { recursive: true });
symlinkSync(caisson, join(at, "bin/containerd-shim-caisson-v2"));
writeFileSync(
  join(at, "config.toml"),
  `version = 2\nroot = "${at}/root"\nstate = "${at}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${socket}"\n`,
);
const daemon = spawn("containerd", ["--config", join(at, "config.toml")], {
  stdio: "ignore",
  env: { ...process.env, PATH: `${at}/bin:${process.env["PATH"]}` },
});
while (ctr("version") !== 0) spawnSync("sleep", ["0.1"]);

function endToEnd(): void {
  const times = new Map<string, number[]>();
  for (let i = 0; i < rounds; i++)
    for (const [name, words] of Object.entries(choices))
      times.set(name, [
        ...(times.get(name) ?? []),
        timed("run", "--rm", ...words, "--rootfs", root, `r${i}`, "/bin/true"),
      ]);
  say("ctr run --rm, end to end", "ms", RUNC, Object.fromEntries([...times].map(([n, t]) => [n, median(t)])));
}

function execs(): void {
  const times = new Map<string, number[]>();
  Object.values(choices).forEach((words, i) => {
    timed("run", "-d", ...words, "--rootfs", root, `e${i}`, "/bin/sleep", "1000");
  });
  for (let i = 0; i < rounds; i++)
    Object.keys(choices).forEach((name, k) => {
      const ms = timed("tasks", "exec", "--exec-id", `x${i}`, `e${k}`, "/bin/true");
      times.set(name, [...(times.get(name) ?? []), ms]);
    });
  Object.keys(choices).forEach((_, i) => {
    ctr("tasks", "rm", "-f", `e${i}`);
    ctr("containers", "rm", `e${i}`);
  });
  say("ctr tasks exec", "ms", RUNC, Object.fromEntries([...times].map(([n, t]) => [n, median(t)])));
}

/** KB that would be free without these processes: what is shared with others, such as files, is in proportion. */
function memory(field: "Pss" | "Pss_Anon"): number {
  let sum = 0;
  for (const pid of readdirSync("/proc").filter((p) => /^\d+$/.test(p)))
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8");
      if (!/containerd-shim|__shim|^caisson\0/.test(words)) continue;
      const text = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
      sum += Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    } catch {
      // It has just ended.
    }
  return sum;
}

function pods(): void {
  const [few, many] = [1, 50];
  for (const [name, words] of Object.entries(choices)) {
    // A shim of ours that has nothing to do ends after five seconds.
    spawnSync("sleep", ["7"]);
    const before = { all: memory("Pss"), own: memory("Pss_Anon") };
    const start = (i: number) => timed("run", "-d", ...words, "--rootfs", root, `m${i}`, "/bin/sleep", "1000");
    for (let i = 0; i < few; i++) start(i);
    spawnSync("sleep", ["3"]);
    const first = memory("Pss") - before.all;
    for (let i = few; i < many; i++) start(i);
    spawnSync("sleep", ["3"]);
    const [all, own] = [memory("Pss") - before.all, memory("Pss_Anon") - before.own];
    for (let i = 0; i < many; i++) {
      ctr("tasks", "rm", "-f", `m${i}`);
      ctr("containers", "rm", `m${i}`);
    }
    say(`memory of shims, ${name}`, "KB (PSS)", "for the first container", {
      "for the first container": first,
      [`for ${many}, each`]: all / many,
      [`for ${many}, each, without files`]: own / many,
    });
  }
}

try {
  endToEnd();
  execs();
  pods();
} finally {
  daemon.kill("SIGTERM");
  spawnSync("sleep", ["7"]);
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse()) {
    const point = line.split(" ")[4] ?? "";
    if (point.startsWith(`${at}/`)) spawnSync("umount", ["-l", point]);
  }
  rmSync(at, { recursive: true, force: true });
}
