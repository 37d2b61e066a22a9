/**
 * The OCI runtime beside runc and crun, interleaved: each command, 500 containers at once, podman and containerd end to end.
 * Prints a line of JSON per figure; bench/main.ts makes a table of them. oci.ts WORK ROOT ROUNDS
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "./median.ts";

const [work = "", root = "", given = "30"] = process.argv.slice(2);
const rounds = Number(given);
const caisson = join(import.meta.dirname, "../dist/caisson-oci");
const works = (words: string[]) => spawnSync(words[0] as string, words.slice(1), { stdio: "ignore" }).status === 0;

const say = (figure: string, unit: string, base: string, values: Record<string, number>) =>
  console.log(JSON.stringify({ figure, unit, base, values }));

/** What was given before, we perform without JavaScript; in the other bundle the configuration is another one each time. */
const [bundle, fresh] = [join(work, "bundle"), join(work, "fresh")];
for (const at of [bundle, fresh]) mkdirSync(at, { recursive: true });
const FIRST = "caisson-oci, for the first time";
/** In a bundle of its own for each, as an engine makes them: named by its id, which is the host name, too. */
const LIKE = "caisson-oci, like one before";

function configure(args: string[]): void {
  spawnSync("runc", ["spec"], { cwd: bundle });
  const spec = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
  spec.process.terminal = false;
  spec.process.args = args;
  spec.root.path = root;
  for (const at of [bundle, fresh]) writeFileSync(join(at, "config.json"), JSON.stringify(spec));
}

let changes = 0;
function refresh(): void {
  const path = join(fresh, "config.json");
  const spec = JSON.parse(readFileSync(path, "utf8"));
  writeFileSync(path, JSON.stringify({ ...spec, annotations: { count: String(changes++) } }));
}

/** An id as engines give it. */
const idOf = (id: string) => createHash("sha256").update(id).digest("hex");

/** The last word of those that are performed for a container of an engine's is the id; `exec` has a command after it. */
function asEngine([runtime = "", verb = "", ...rest]: string[]): string[] {
  const words = rest.map((word) => (word.startsWith("bench-") ? idOf(word) : word));
  if (verb !== "create" && verb !== "run") return [runtime, verb, ...words];
  const id = words.at(-1) as string;
  const at = join(work, "engine", id);
  mkdirSync(at, { recursive: true });
  const spec = JSON.parse(readFileSync(join(bundle, "config.json"), "utf8"));
  const named = { ...spec, hostname: id.slice(0, 12), linux: { ...spec.linux, cgroupsPath: `/${id}` } };
  writeFileSync(join(at, "config.json"), JSON.stringify(named));
  return [runtime, verb, "--bundle", at, ...words];
}

const timed = (given: string[], cwd = bundle, like = false): number => {
  if (cwd === fresh) refresh();
  const words = like ? asEngine(given) : given;
  const began = performance.now();
  const r = spawnSync(words[0] as string, words.slice(1), { cwd, stdio: "ignore" });
  if (r.status !== 0) throw new Error(`${words.join(" ")}: ${r.status}`);
  return performance.now() - began;
};

configure(["/bin/true"]);
const all: Record<string, string> = {
  "caisson-oci": caisson,
  [LIKE]: caisson,
  [FIRST]: caisson,
  runc: "runc",
  crun: "crun",
};
const runtimes = Object.entries(all).filter(
  ([, r]) => spawnSync(r, ["run", "bench-probe"], { cwd: bundle, stdio: "ignore" }).status === 0,
);
/** Ours but once. */
const eachOnce = runtimes.filter(([name]) => name !== FIRST && name !== LIKE);
const base = runtimes.some(([name]) => name === "crun") ? "crun" : "runc";

const at = (name: string) => (name === FIRST ? fresh : bundle);

function runs(): void {
  const times = new Map<string, number[]>();
  for (let i = 0; i < rounds; i++)
    for (const [name, r] of runtimes)
      times.set(name, [...(times.get(name) ?? []), timed([r, "run", `bench-run-${i}`], at(name), name === LIKE)]);
  say("run of true", "ms", base, Object.fromEntries([...times].map(([n, t]) => [n, median(t)])));
}

function verbs(): void {
  configure(["/bin/sleep", "1000"]);
  const times = new Map<string, number[]>();
  const note = (key: string, ms: number) => times.set(key, [...(times.get(key) ?? []), ms]);
  for (let i = 0; i < rounds; i++)
    for (const [name, r] of runtimes) {
      const id = `bench-verbs-${i}`;
      const verb = (words: string[]) => {
        const ms = timed([r, ...words], at(name), name === LIKE);
        note(`${words[0]} ${name}`, ms);
        return ms;
      };
      const made = verb(["create", id]) + verb(["start", id]);
      verb(["state", id]);
      // What is kept of it is for one container.
      for (const _ of name === "caisson-oci" ? [1, 2] : []) timed([r, "exec", id, "/bin/true"]);
      verb(["exec", id, "/bin/true"]);
      verb(["kill", id, "KILL"]);
      note(`cycle ${name}`, made + verb(["delete", "--force", id]));
    }
  for (const verb of ["create", "start", "state", "exec", "kill", "delete", "cycle"])
    say(
      verb === "cycle" ? "create, start and delete" : verb,
      "ms",
      base,
      Object.fromEntries(runtimes.map(([n]) => [n, median(times.get(`${verb} ${n}`) ?? [])])),
    );
}

const HUNDREDS = 500;
const processes = () => readdirSync("/proc").filter((p) => /^\d+$/.test(p)).length;
const used = () => {
  const text = readFileSync("/proc/meminfo", "utf8");
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1]);
  return kb("MemTotal") - kb("MemAvailable");
};

/** Once nothing changes any more: what has ended is reaped by others, a while later. */
function settle(): void {
  for (let last = -1, same = 0; same < 5; ) {
    const now = processes();
    same = now === last ? same + 1 : 0;
    last = now;
    spawnSync("sleep", ["0.4"]);
  }
}

/** All of them up at once: what each costs the machine, and whether the last is slower than the first. */
function crowd(): void {
  configure(["/bin/sleep", "1000"]);
  for (const [name, r] of eachOnce) {
    settle();
    const [before, memory] = [processes(), used()];
    const times: number[] = [];
    for (let i = 0; i < HUNDREDS; i++) times.push(timed([r, "run", "--detach", `bench-crowd-${i}`]));
    settle();
    say(`${HUNDREDS} containers up at once, ${name}`, "see name", "ms of the first 20", {
      "ms of the first 20": median(times.slice(0, 20)),
      "ms of the last 20": median(times.slice(-20)),
      "processes per container": (processes() - before) / HUNDREDS,
      "KB of the machine's memory per container": (used() - memory) / HUNDREDS,
    });
    for (let i = 0; i < HUNDREDS; i++) timed([r, "delete", "--force", `bench-crowd-${i}`]);
  }
}

/** An engine's command from its start to its end, with each runtime. */
function engines(): void {
  if (!works(["podman", "--version"])) return;
  const conf = join(work, "containers.conf");
  writeFileSync(
    conf,
    '[containers]\ndefault_ulimits = ["nofile=1024:2048", "nproc=1024:2048"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
  );
  process.env["CONTAINERS_CONF"] = conf;
  const podman = ["podman", "--root", join(work, "podman"), "--runroot", join(work, "podman-run")];
  const times = new Map<string, number[]>();
  for (let i = 0; i < Math.min(rounds, 20); i++)
    for (const [name, r] of eachOnce) {
      const path = spawnSync("sh", ["-c", `command -v ${r}`], { encoding: "utf8" }).stdout.trim();
      const words = [...podman, "--runtime", path, "run", "--rm", "--network", "none", "--rootfs", root, "/bin/true"];
      times.set(name, [...(times.get(name) ?? []), timed(words)]);
    }
  say("podman run --rm, end to end", "ms", base, Object.fromEntries([...times].map(([n, t]) => [n, median(t)])));
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n").reverse()) {
    const point = line.split(" ")[4] ?? "";
    if (point.startsWith(`${work}/`)) spawnSync("umount", ["-l", point]);
  }
}

runs();
verbs();
crowd();
engines();
// Where the figures' own groups were: podman leaves its parents.
for (const h of [".", ...readdirSync("/sys/fs/cgroup")]) {
  const at = join("/sys/fs/cgroup", h, "libpod_parent");
  if (existsSync(at)) spawnSync("find", [at, "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
}
