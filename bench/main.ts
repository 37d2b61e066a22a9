/** The figures of docs/benchmarks.md: us and the peers that are installed, interleaved in one run. Medians and ratios. */
import { spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./median.ts";

const here = join(import.meta.dirname, "..");
const json = process.argv.includes("--json");
const rounds = Number(process.env["ROUNDS"] ?? 60);
const work = mkdtempSync(join(tmpdir(), "caisson-bench-"));
const root = join(work, "rootfs");

const has = (command: string) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

function prepare(): void {
  for (const d of ["bin", "proc", "dev", "sys"]) mkdirSync(join(root, d), { recursive: true });
  copyFileSync("/bin/busybox", join(root, "bin/busybox"));
  chmodSync(join(root, "bin/busybox"), 0o755);
  for (const name of ["true", "sh", "sleep"]) symlinkSync("busybox", join(root, "bin", name));
  const floor = spawnSync("gcc", ["-O2", "-o", join(work, "floor"), join(here, "bench/floor.c")], { stdio: "inherit" });
  if (floor.status !== 0) throw new Error("bench/floor.c does not compile");
  if (!has("runc")) return;
  spawnSync("runc", ["spec"], { cwd: work });
  const spec = JSON.parse(readFileSync(join(work, "config.json"), "utf8"));
  spec.process.terminal = false;
  spec.process.args = ["/bin/true"];
  spec.root.path = root;
  writeFileSync(join(work, "config.json"), JSON.stringify(spec));
}

const timed = (words: string[]): number => {
  const began = performance.now();
  const r = spawnSync(words[0] as string, words.slice(1), { cwd: work, stdio: ["ignore", "ignore", "pipe"] });
  if (r.status !== 0) throw new Error(`${words.join(" ")}: ${r.status} ${r.stderr}`);
  return performance.now() - began;
};

function report(figure: string, values: Record<string, number>, unit: string, base: string): void {
  const reference = values[base] ?? Number.NaN;
  if (json) {
    console.log(JSON.stringify({ figure, unit, values }));
    return;
  }
  console.log(`\n${figure} (${unit}; ratio to ${base})`);
  for (const [name, v] of Object.entries(values))
    console.log(`  ${name.padEnd(28)} ${v.toFixed(3).padStart(9)}  ${(v / reference).toFixed(2)}`);
}

const bun = join(here, "node_modules/.bin/bun");
/** crun takes part where hugetlb can be lent to it for as long. */
const asCrunLikes = ["bash", join(here, "test/conformance/as-crun-likes.sh")];

/** A process of its own, which prints a line of JSON per figure. */
function figuresOf(words: readonly string[], env: NodeJS.ProcessEnv = process.env): void {
  const r = spawnSync(words[0] as string, words.slice(1), { env, maxBuffer: 1 << 24 });
  if (r.status !== 0) throw new Error(String(r.stderr));
  if (!json) process.stdout.write(String(r.stderr));
  for (const line of String(r.stdout).trim().split("\n")) {
    const { figure, unit, base, values } = JSON.parse(line);
    report(figure, values, unit, base);
  }
}

/** A whole command from cold. */
const coldRuns = () => figuresOf([...asCrunLikes, bun, join(here, "bench/commands.ts"), work, root, String(rounds)]);

function library(): void {
  const bench = join(here, "dist-bench/bench/library.js");
  const values: Record<string, number[]> = {};
  const add = (name: string, v: number) => {
    values[name] = [...(values[name] ?? []), v];
  };
  for (let round = 0; round < 3; round++) {
    for (const line of String(spawnSync(join(work, "floor"), [root, String(rounds)]).stdout)
      .trim()
      .split("\n"))
      add("raw C floor", Number(line));
    for (const [engine, words] of [
      ["node", ["node"]],
      ["bun", [bun]],
    ] as const) {
      const r = spawnSync(words[0], [bench, root, String(rounds)], {
        env: { ...process.env, CAISSON_NATIVE: join(here, "dist/native") },
      });
      if (r.status !== 0) throw new Error(String(r.stderr));
      for (const line of String(r.stdout).trim().split("\n")) {
        const [kind, v] = line.split(" ");
        add(`${kind} (${engine})`, Number(v));
      }
    }
  }
  report(
    "the library, from call to result, of true",
    Object.fromEntries(Object.entries(values).map(([k, v]) => [k, median(v)])),
    "ms",
    "raw C floor",
  );
}

const pss = (pid: number): number =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1] ?? 0);

/** What stays behind one idle detached container besides its command. */
function idle(): void {
  const caisson = join(here, "dist/caisson");
  spawnSync(caisson, ["run", "-d", "--name", "bench-idle", "--rootfs", root, "--", "/bin/sleep", "60"]);
  const [facts] = JSON.parse(String(spawnSync(caisson, ["inspect", "bench-idle"]).stdout));
  const peers = { ...conmon(), ...shimOfRunc() };
  const values = { "our supervisor": pss(facts.supervisor) / 1024, ...peers };
  report("memory (PSS) of what stays behind an idle container", values, "MB", "our supervisor");
  spawnSync(caisson, ["rm", "--force", "bench-idle"]);
}

const processesNamed = (name: string): string[] =>
  String(spawnSync("pgrep", ["-f", `^\\S*${name}`]).stdout)
    .split("\n")
    .filter(Boolean);

/** PSS of what another engine leaves: of the processes that are there now and were not. */
function left(name: string, start: () => boolean, end: () => void): Record<string, number> {
  const before = new Set(processesNamed(name));
  try {
    if (!start()) return {};
    const own = processesNamed(name).filter((p) => !before.has(p));
    return own.length ? { [name]: own.reduce((sum, p) => sum + pss(Number(p)), 0) / 1024 } : {};
  } finally {
    end();
  }
}

/** podman's: one for each container. */
function conmon(): Record<string, number> {
  if (!has("podman")) return {};
  const conf = join(work, "idle-containers.conf");
  writeFileSync(
    conf,
    '[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
  );
  const env = { ...process.env, CONTAINERS_CONF: conf };
  const podman = (...words: string[]) =>
    spawnSync("podman", ["--root", join(work, "p"), "--runroot", join(work, "pr"), ...words], { env, stdio: "ignore" });
  const words = ["run", "-d", "--name", "bench-idle", "--network", "none", "--rootfs", root, "/bin/sleep", "60"];
  return left(
    "conmon",
    () => podman(...words).status === 0,
    () => void podman("rm", "-f", "-t", "0", "bench-idle"),
  );
}

/** containerd's: one for each container, or pod. */
function shimOfRunc(): Record<string, number> {
  if (!has("containerd")) return {};
  const at = join(work, "idle-containerd");
  const socket = join(at, "socket");
  const config = `version = 2\nroot = "${at}/r"\nstate = "${at}/s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "${socket}"\n`;
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, "config.toml"), config);
  const ctr = (...words: string[]) => spawnSync("ctr", ["-a", socket, ...words], { stdio: "ignore", timeout: 20_000 });
  const daemon = spawn("containerd", ["--config", join(at, "config.toml")], { stdio: "ignore" });
  for (let i = 0; i < 100 && ctr("version").status !== 0; i++) spawnSync("sleep", ["0.1"]);
  return left(
    "containerd-shim-runc-v2",
    () => ctr("run", "-d", "--rootfs", root, "bench-idle", "/bin/sleep", "60").status === 0,
    () => {
      ctr("tasks", "rm", "-f", "bench-idle");
      ctr("containers", "rm", "bench-idle");
      daemon.kill("SIGTERM");
      spawnSync("sleep", ["1"]);
    },
  );
}

/** Many at once, and many in a row: what is left of them, and whether the last takes longer than the first. */
function many(): void {
  const bench = join(here, "dist-bench/bench/many.js");
  const env = { ...process.env, CAISSON_NATIVE: join(here, "dist/native") };
  const r = spawnSync("node", [bench, root], { env });
  if (r.status !== 0) throw new Error(String(r.stderr));
  report("many containers (Node)", JSON.parse(String(r.stdout)), "see name", "ms of one of the first 1,000 runs");
}

/** Control groups: a process of their own prints each figure. */
function groups(): void {
  const forks = join(work, "forks");
  const built = spawnSync("gcc", ["-O2", "-static", "-o", forks, join(here, "bench/forks.c")], { stdio: "inherit" });
  if (built.status !== 0) throw new Error("bench/forks.c does not compile");
  copyFileSync(forks, join(root, "bin/forks"));
  const env = { ...process.env, CAISSON_NATIVE: join(here, "dist/native") };
  figuresOf(["node", join(here, "dist-bench/bench/groups.js"), root, forks], env);
}

/** A running container, stopped and let go by each command. */
function pausing(): void {
  const caisson = join(here, "dist/caisson");
  const own = join(work, "config.json");
  const all: Record<string, { start: string[]; pause: string[]; resume: string[]; end: string[] }> = {
    "caisson pause": {
      start: [
        caisson,
        "run",
        "-d",
        "--name",
        "bench-pause",
        "--cgroups",
        "account",
        "--rootfs",
        root,
        "--",
        "/bin/sleep",
        "600",
      ],
      pause: [caisson, "pause", "bench-pause"],
      resume: [caisson, "unpause", "bench-pause"],
      end: [caisson, "rm", "--force", "bench-pause"],
    },
  };
  const spec = existsSync(own) ? JSON.parse(readFileSync(own, "utf8")) : undefined;
  if (spec) {
    spec.process.args = ["/bin/sleep", "600"];
    writeFileSync(own, JSON.stringify(spec));
  }
  for (const peer of ["runc", "crun"])
    if (spec && has(peer))
      all[`${peer} pause`] = {
        start: [peer, "run", "-d", `bench-pause-${peer}`],
        pause: [peer, "pause", `bench-pause-${peer}`],
        resume: [peer, "resume", `bench-pause-${peer}`],
        end: [peer, "delete", "--force", `bench-pause-${peer}`],
      };
  const times: Record<string, number[]> = {};
  const started = Object.entries(all).filter(
    ([, c]) => spawnSync(c.start[0] as string, c.start.slice(1), { cwd: work, stdio: "ignore" }).status === 0,
  );
  try {
    for (let i = 0; i < rounds; i++)
      for (const [name, c] of started) {
        times[name] = [...(times[name] ?? []), timed(c.pause)];
        timed(c.resume);
      }
  } finally {
    for (const [, c] of started) spawnSync(c.end[0] as string, c.end.slice(1), { cwd: work });
  }
  const values = Object.fromEntries(Object.entries(times).map(([k, v]) => [k, median(v)]));
  report(
    "a whole command that pauses a container",
    values,
    "ms",
    "runc pause" in values ? "runc pause" : "caisson pause",
  );
}

/** The OCI runtime. */
function oci(): void {
  if (has("runc")) figuresOf([...asCrunLikes, bun, join(here, "bench/oci.ts"), work, root, String(rounds)]);
}

/** containerd's shim and ours. */
function shim(): void {
  if (has("containerd")) figuresOf([bun, join(here, "bench/shim.ts"), work, root, String(rounds)]);
}

/** In a network namespace of its own. */
function isolation(): void {
  const own = 'ip link set lo up; exec "$0" "$@"';
  const words = [bun, join(here, "bench/isolation.ts"), String(Math.min(rounds, 10))];
  figuresOf(["unshare", "--net", "--mount", "sh", "-c", own, ...words]);
}

function engineGroups(): string[] {
  const tops = ["", ...readdirSync("/sys/fs/cgroup")].map((h) => join("/sys/fs/cgroup", h));
  return tops.flatMap((top) => ["libpod_parent", "default"].map((n) => join(top, n))).filter(existsSync);
}
const groupsBefore = new Set(engineGroups());

/** Engines leave mounts where they were, and parents of control groups. */
function tidy(): void {
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse()) {
    const point = line.split(" ")[4] ?? "";
    if (point.startsWith(`${work}/`)) spawnSync("umount", ["-l", point]);
  }
  rmSync(work, { recursive: true, force: true });
  for (const at of engineGroups())
    if (!groupsBefore.has(at)) spawnSync("find", [at, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
}

const figures = { commands: coldRuns, library, idle, many, groups, pausing, oci, shim, isolation };
const only = process.argv.slice(2).filter((a) => a in figures);

try {
  prepare();
  if (!existsSync(join(here, "dist/caisson"))) throw new Error('dist/caisson is missing: "npm run build" makes it');
  for (const [name, figure] of Object.entries(figures)) if (only.length === 0 || only.includes(name)) figure();
} finally {
  tidy();
}
