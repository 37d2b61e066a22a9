/**
 * What isolation costs, beside others: each namespace on and off, a bridge against CNI plugins and podman, throughput through
 * a published port, a system call that is answered, learning against strace, the inside view. Networks are made in a network
 * namespace of the bench's own (bench/run.sh isolation). Prints a line of JSON per figure.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type ContainerOptions, container, run } from "../src/index.ts";
import { median } from "./median.ts";

const rounds = Number(process.argv[2] ?? 20);
const work = mkdtempSync(join(tmpdir(), "caisson-isolation-"));
// A root of other ids must be able to search the way to it.
chmodSync(work, 0o755);
process.env["CAISSON_ROOT"] = join(work, "caisson");
const say = (figure: string, unit: string, base: string, values: Record<string, number>) =>
  console.log(JSON.stringify({ figure, unit, base, values }));
const has = (command: string) => spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;

/** Each in turn, so that what the machine does meanwhile falls on all. */
async function interleaved(all: Record<string, () => unknown>): Promise<Record<string, number>> {
  const times: Record<string, number[]> = {};
  for (let i = 0; i < rounds; i++)
    for (const [name, what] of Object.entries(all)) {
      const began = performance.now();
      await what();
      times[name] = [...(times[name] ?? []), performance.now() - began];
    }
  return Object.fromEntries(Object.entries(times).map(([k, v]) => [k, median(v)]));
}

async function namespaces(): Promise<void> {
  const start = (o: ContainerOptions) => () => run(["true"], o);
  const shared = { pid: "host", ipc: "host", uts: "host", cgroup: "host" } as const;
  const without = (kind: keyof typeof shared) => start({ namespaces: { [kind]: "host" } });
  say(
    "a start of true, each namespace changed by itself",
    "ms",
    "the default",
    await interleaved({
      "the default": start({}),
      "the host's PIDs": without("pid"),
      "the host's IPC": without("ipc"),
      "the host's names": without("uts"),
      "the host's cgroup view": without("cgroup"),
      "the host's network": start({ network: "host" }),
      "all of these the host's": start({ namespaces: shared, network: "host" }),
      "clocks of its own": start({ clock: { monotonic: 1 } }),
      "ids of its own": start({ namespaces: { user: "auto" } }),
      "a bridge": start({ network: "bridge" }),
      "a bridge, a port, an allow-list": start({
        network: { bridge: "caisson", ports: ["18080:80"], egress: { allow: ["10.0.0.0/8"] } },
      }),
    }),
  );
  // The last container of a network removes its bridge, which the kernel takes its time for.
  await using _keeper = await container({ network: "bridge" });
  const more = await interleaved({
    "the default": start({}),
    "a bridge that is there": start({ network: "bridge" }),
    "the same, a port, an allow-list": start({
      network: { bridge: "caisson", ports: ["18080:80"], egress: { allow: ["10.0.0.0/8"] } },
    }),
  });
  say("a start of true beside another container on the bridge", "ms", "the default", more);
}

/** podman with storage of its own, and limits that a machine without all rights can give. */
function podman(...words: string[]): string[] {
  const conf = join(work, "containers.conf");
  writeFileSync(conf, '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n');
  process.env["CONTAINERS_CONF"] = conf;
  const own = ["--root", join(work, "podman"), "--runroot", join(work, "podman-run")];
  return [...own, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", ...words];
}

/** A whole command: ours, ours by CNI plugins, and podman with netavark. */
async function bridges(): Promise<void> {
  const caisson = join(import.meta.dirname, "../dist/caisson");
  const quiet = { stdio: "ignore" } as const;
  const all: Record<string, () => unknown> = {
    "caisson run --network bridge": () => execFileSync(caisson, ["run", "--network", "bridge", "--", "true"], quiet),
    "caisson run --network none": () => execFileSync(caisson, ["run", "--", "true"], quiet),
  };
  if (existsSync("/usr/lib/cni/bridge")) {
    const ipam = { type: "host-local", subnet: "10.99.0.0/24", dataDir: join(work, "ipam") };
    const plugins = [{ type: "bridge", bridge: "cni-bench", isGateway: true, ipMasq: true, ipam }];
    writeFileSync(join(work, "bench.conflist"), JSON.stringify({ cniVersion: "0.4.0", name: "bench", plugins }));
    process.env["CNI_CONF_PATH"] = work;
    all["caisson run --network cni:bench"] = () =>
      execFileSync(caisson, ["run", "--network", "cni:bench", "--", "true"], quiet);
  }
  for (const network of ["none", "bridge"])
    if (
      has("podman") &&
      spawnSync("podman", podman("run", "--rm", "--network", network, "--rootfs", "/:O", "true"), quiet).status === 0
    )
      all[`podman run --network ${network}`] = () =>
        execFileSync("podman", podman("run", "--rm", "--network", network, "--rootfs", "/:O", "true"), quiet);
  say("a whole command on a bridge", "ms", "caisson run --network bridge", await interleaved(all));
}

const gigabits = (text: string): number => (JSON.parse(text).end.sum_received?.bits_per_second ?? 0) / 1e9;

/** Answers each byte: with perl, which every Debian has. */
const echo =
  "$s = IO::Socket::INET->new(LocalPort => 7000, Listen => 5, ReuseAddr => 1); while ($c = $s->accept) { while (sysread($c, $b, 1)) { syswrite($c, $b) } }";
const ECHO = ["perl", "-MIO::Socket::INET", "-e", echo];
const TURNS = 2000;

/** Microseconds for a byte and its answer. */
const roundTrip = (host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, host);
    socket.setNoDelay(true);
    let [turns, began] = [0, 0];
    socket.on("connect", () => {
      began = performance.now();
      socket.write("x");
    });
    socket.on("data", () => {
      if (++turns < TURNS) return socket.write("x");
      socket.destroy();
      resolve(((performance.now() - began) / TURNS) * 1000);
    });
    socket.on("error", reject);
  });

type Place = { readonly host: string; readonly iperf: number; readonly echo: number };

/** Bytes and turns by each way: no container, our bridge, our published ports, podman's. */
async function traffic(): Promise<void> {
  if (!has("iperf3")) return console.error("skipped: traffic: iperf3 is not installed");
  await using box = await container({ network: { bridge: "caisson", ports: ["15201:5201", "17000:7000"] } });
  const [, ip = ""] = /inet ([\d.]+)/.exec((await box.run(["ip", "-o", "-4", "addr", "show", "eth0"])).stdout) ?? [];
  const inside = [await box.spawn(["iperf3", "-s"]), await box.spawn(ECHO)];
  const outside = [
    spawn("iperf3", ["-s"], { stdio: "ignore" }),
    spawn(ECHO[0] as string, ECHO.slice(1), { stdio: "ignore" }),
  ];
  const places: Record<string, Place> = {
    "loopback, no container": { host: "127.0.0.1", iperf: 5201, echo: 7000 },
    "by the bridge": { host: ip, iperf: 5201, echo: 7000 },
    "by a published port": { host: "127.0.0.1", iperf: 15201, echo: 17000 },
  };
  const both = `iperf3 -s >/dev/null & exec perl -MIO::Socket::INET -e '${echo}'`;
  const detached = [
    "run",
    "-d",
    "--name",
    "bench-traffic",
    "-p",
    "15202:5201",
    "-p",
    "17001:7000",
    "--rootfs",
    "/:O",
    "sh",
    "-c",
    both,
  ];
  if (has("podman") && spawnSync("podman", podman(...detached), { stdio: "ignore" }).status === 0)
    places["by podman's published port"] = { host: "127.0.0.1", iperf: 15202, echo: 17001 };
  await sleep(500);
  const rates: Record<string, number[]> = {};
  const turns: Record<string, number[]> = {};
  for (let i = 0; i < 3; i++)
    for (const [name, { host, iperf, echo }] of Object.entries(places)) {
      const out = execFileSync("iperf3", ["-c", host, "-p", String(iperf), "-t", "1", "-J"], { encoding: "utf8" });
      rates[name] = [...(rates[name] ?? []), gigabits(out)];
      turns[name] = [...(turns[name] ?? []), await roundTrip(host, echo)];
    }
  if (has("podman")) spawnSync("podman", podman("rm", "-f", "-t", "0", "bench-traffic"), { stdio: "ignore" });
  for (const p of outside) p.kill("SIGKILL");
  for (const p of inside) {
    p.kill("SIGKILL");
    await p.ended;
  }
  const medians = (all: Record<string, number[]>) =>
    Object.fromEntries(Object.entries(all).map(([k, v]) => [k, median(v)]));
  say("throughput into a container", "Gbit/s", "loopback, no container", medians(rates));
  say("a byte into a container, and its answer", "µs", "loopback, no container", medians(turns));
}

const CALLS = 2000;
const uname = `my $b = "\\0" x 400; for (1..${CALLS}) { syscall(63, $b) }`;

async function answered(): Promise<void> {
  const each = async (o: ContainerOptions) => {
    const base = await interleavedOnce(() => run(["perl", "-e", "1"], o));
    return (((await interleavedOnce(() => run(["perl", "-e", uname], o))) - base) / CALLS) * 1000;
  };
  say("a system call that is answered", "µs", "no filter that tells", {
    "no filter that tells": await each({}),
    "another is told of": await each({ onSyscall: { mkdir: () => "continue" } }),
    "it is told of, and let through": await each({ onSyscall: { uname: () => "continue" } }),
    "it is learned": await each({ learn: true }),
  });
}
const interleavedOnce = async (what: () => Promise<unknown>): Promise<number> => {
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    const began = performance.now();
    await what();
    times.push(performance.now() - began);
  }
  return median(times);
};

async function learning(): Promise<void> {
  const command = ["find", "/usr/share/doc", "-maxdepth", "1"];
  const all: Record<string, () => unknown> = {
    plain: () => run(command),
    learn: () => run(command, { learn: true }),
  };
  if (has("strace"))
    all["strace -f -c, no container"] = () => spawnSync("strace", ["-f", "-c", "-o", "/dev/null", ...command]);
  say("a command whose system calls are learned", "ms", "plain", await interleaved(all));
}

async function view(): Promise<void> {
  const read = "open(my $f, '<', '/proc/meminfo'); my @l = <$f>; close $f;";
  const each = async (o: ContainerOptions) => {
    const base = await interleavedOnce(() => run(["perl", "-e", "1"], o));
    return (((await interleavedOnce(() => run(["perl", "-e", `for (1..200) { ${read} }`], o))) - base) / 200) * 1000;
  };
  const values: Record<string, number> = {
    "the machine's": await each({ cgroups: "account" }),
    "its own (--view)": await each({ view: true, memory: "256M" }),
  };
  const at = join(work, "lxcfs");
  mkdirSync(at);
  const lxcfs = has("lxcfs") ? spawn("lxcfs", [at], { stdio: "ignore" }) : undefined;
  await sleep(500);
  const meminfo = join(at, "proc/meminfo");
  if (existsSync(meminfo))
    values["by lxcfs"] = await each({ cgroups: "account", volumes: { "/proc/meminfo": meminfo } });
  lxcfs?.kill();
  spawnSync("umount", ["-l", at], { stdio: "ignore" });
  say("reading /proc/meminfo", "µs", "the machine's", values);
}

try {
  await namespaces();
  await bridges();
  await traffic();
  await answered();
  await learning();
  await view();
} finally {
  rmSync(work, { recursive: true, force: true });
}
