/** What files of /proc and /sys say of a container instead of the machine. Pure: the numbers come as arguments. */

export type ViewFacts = {
  /** CPUs' worth of time, rounded up. */
  readonly cpus: number;
  /** Bytes; `limit` is at most the machine's. */
  readonly memory: { readonly limit: number; readonly used: number; readonly cache: number };
  readonly swap: { readonly limit: number; readonly used: number };
  /** Seconds since the container began. */
  readonly uptime: number;
  /** Averages over 1, 5 and 15 minutes of its own running tasks. */
  readonly load: readonly [number, number, number];
  readonly tasks: { readonly running: number; readonly all: number };
  /** Seconds of CPU time that it has used. */
  readonly cpuTime: { readonly user: number; readonly system: number };
  /** The machine's own files. */
  readonly host: Readonly<Record<"meminfo" | "cpuinfo" | "stat", string>>;
};

const KIB = 1024;
const kib = (bytes: number) => Math.max(0, Math.round(bytes / KIB));
const HERTZ = 100;

/** proc_meminfo(5): what is limited is the container's; lines about the machine alone say 0. */
export function meminfo(f: ViewFacts): string {
  const { limit, used, cache } = f.memory;
  const free = limit - used;
  const own: Readonly<Record<string, number>> = {
    MemTotal: kib(limit),
    MemFree: kib(free),
    MemAvailable: kib(free + cache),
    Cached: kib(cache),
    SwapTotal: kib(f.swap.limit),
    SwapFree: kib(f.swap.limit - f.swap.used),
  };
  const names = f.host.meminfo.split("\n").flatMap((line) => /^([\w()]+):/.exec(line)?.[1] ?? []);
  return names.map((name) => `${`${name}:`.padEnd(16)}${String(own[name] ?? 0).padStart(8)} kB\n`).join("");
}

/** Blocks of lines, one for each CPU. */
export const cpuinfo = (f: ViewFacts): string =>
  f.host.cpuinfo
    .split(/\n\n+/)
    .filter((block) => /^processor\s*:/m.test(block))
    .slice(0, f.cpus)
    .map((block) => `${block}\n\n`)
    .join("");

/** proc_stat(5): its own CPU time, evenly over its CPUs. */
export function stat(f: ViewFacts): string {
  const { user, system } = f.cpuTime;
  const idle = Math.max(0, f.uptime * f.cpus - user - system);
  const line = (name: string, share: number) =>
    `${name} ${[user, 0, system, idle, 0, 0, 0, 0, 0, 0].map((n) => Math.round(n * share * HERTZ)).join(" ")}`;
  const rest = f.host.stat.split("\n").filter((l) => /^(ctxt|btime|processes)\b/.test(l));
  return [
    line("cpu ", 1),
    ...Array.from({ length: f.cpus }, (_, i) => line(`cpu${i}`, 1 / f.cpus)),
    ...rest,
    `procs_running ${f.tasks.running}`,
    "procs_blocked 0",
    "",
  ].join("\n");
}

export const uptime = (f: ViewFacts): string =>
  `${f.uptime.toFixed(2)} ${Math.max(0, f.uptime * f.cpus - f.cpuTime.user - f.cpuTime.system).toFixed(2)}\n`;

export const loadavg = (f: ViewFacts): string =>
  `${f.load.map((l) => l.toFixed(2)).join(" ")} ${f.tasks.running}/${f.tasks.all} 0\n`;

export const swaps = (f: ViewFacts): string => {
  const head = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
  return f.swap.limit > 0
    ? `${head}none${" ".repeat(36)}virtual\t\t${kib(f.swap.limit)}\t\t${kib(f.swap.used)}\t\t0\n`
    : head;
};

export const online = (f: ViewFacts): string => `${f.cpus > 1 ? `0-${f.cpus - 1}` : "0"}\n`;

/** Each file that is shown, by its path in the container. */
export const contents: Readonly<Record<string, (f: ViewFacts) => string>> = {
  "/proc/meminfo": meminfo,
  "/proc/cpuinfo": cpuinfo,
  "/proc/stat": stat,
  "/proc/uptime": uptime,
  "/proc/loadavg": loadavg,
  "/proc/swaps": swaps,
  "/sys/devices/system/cpu/online": online,
};
