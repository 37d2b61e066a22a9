import type { Limits } from "../cgroups/table.ts";
import type { Seccomp } from "../compile/spec.ts";
import type { NetworkOptions } from "../network/options.ts";
import type { SyscallHandlers } from "../seccomp/notify/call.ts";
import type { EngineProfile } from "../seccomp/schema.ts";
import type { Ulimits } from "../values/ulimits.ts";
import type { ReadyHandler } from "./answers/names.ts";
import type { DeviceOptions } from "./devices.ts";
import type { NamespaceOptions } from "./namespaces.ts";
import type { ProfileName } from "./profiles.ts";

/** A directory or file of the host in the container. `"/data:ro"`-style text is for the command line. */
export type Volume =
  | string
  | {
      readonly source: string;
      readonly readOnly?: boolean;
      /** Further words of mount(8): what its files cannot do, and how mounts below it spread. Default: rprivate. */
      readonly options?: readonly VolumeOption[];
      /** With mapped ids: show the owners of its files as the container's own ids. Default true where it can be done. */
      readonly idmap?: boolean;
    };

const restrictions = ["nosuid", "nodev", "noexec", "noatime", "nosymfollow"] as const;
const propagations = ["private", "rprivate", "slave", "rslave", "shared", "rshared"] as const;
export const volumeOptions = [...restrictions, ...propagations] as const;
export type VolumeOption = (typeof volumeOptions)[number];
export const isVolumeOption = (word: string): word is VolumeOption => volumeOptions.some((o) => o === word);
export const isPropagation = (word: string): boolean => propagations.some((p) => p === word);

/**
 * What a container is to be. All fields are optional; each default is the safe one. Sizes are bytes or text
 * ("512M"), durations seconds or text ("30s").
 */
export type ContainerOptions = {
  /** Letters, digits, "_", "." and "-", 128 at most; chosen at random if not given. */
  readonly name?: string;
  /** A directory to be the root filesystem. Default: a copy-on-write view of this machine's own root. */
  readonly rootfs?: string | { readonly overlay: string };
  /**
   * Keep what the container wrote, in this directory or (true) in one of its own: for `caisson diff`, and as `noted.keep` of
   * `findContainer`, until `removeContainer`. Copy-on-write roots only.
   */
  readonly keep?: boolean | string;
  /** Memory limit, swap included. Source: memory.max of cgroup-v2, memory.limit_in_bytes of v1. */
  readonly memory?: string | number;
  /** CPUs' worth of time: 1.5. Source: cpu.max, cpu.cfs_quota_us. */
  readonly cpus?: string | number;
  /** Processes and threads at most. Source: pids.max. */
  readonly pidsLimit?: string | number;
  /** Limits by controller, as a ControlGroup has them: `{ memory: { high: "400M" }, io: { … } }`. */
  readonly limits?: Limits;
  /**
   * "auto" (default): groups for what is limited. "account": groups that count CPU time, memory, processes and I/O too.
   * "delegate": the container manages groups of its own in /sys/fs/cgroup, and containers in them.
   */
  readonly cgroups?: "auto" | "account" | "delegate";
  /** A control group that the container is in, with all that is limited there: one that ControlGroup.create made, or "/user.slice" and the like. */
  readonly cgroupParent?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Path in the container to path on the host: `{ "/work": "." }`. */
  readonly volumes?: Readonly<Record<string, Volume>>;
  /** Path in the container to options of tmpfs(5): `{ "/tmp": "size=64m" }`. */
  readonly tmpfs?: Readonly<Record<string, string>>;
  readonly readOnly?: boolean;
  /** Default: the caller's directory on a view of the machine's own root, else "/". */
  readonly workdir?: string;
  /** "name", "uid", "name:group" or "uid:gid", looked up in the container's own /etc/passwd and /etc/group. */
  readonly user?: string;
  readonly groups?: readonly (string | number)[];
  readonly hostname?: string;
  /** What getdomainname(2) says: of use to NIS. */
  readonly domainname?: string;
  /** Default "none": a loopback device alone. */
  readonly network?: NetworkOptions;
  /** Other namespaces: each the container's own, the host's, one kept as a file, or another container's. */
  readonly namespaces?: NamespaceOptions;
  /** A pod whose namespaces it has, where none is said by `namespaces` and `network`. */
  readonly pod?: string;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  /** Default true: set-uid programs give nothing. */
  readonly noNewPrivileges?: boolean;
  /** The default profile, none at all, or rules of your own as in an OCI spec or a file of Docker's (with archMap, includes, excludes). */
  readonly seccomp?: "default" | "unconfined" | Seccomp | EngineProfile;
  /**
   * System calls that functions of this program answer, by name. Each call waits for its answer, at least some 0.1 ms;
   * a call with no handler costs nothing. What may not be decided so: see SyscallReply. seccomp_unotify(2).
   */
  readonly onSyscall?: SyscallHandlers;
  /** Ready-made handlers: mknod of its own devices, mounts that show nothing new, sysinfo(2) with its own memory. */
  readonly answer?: readonly ReadyHandler[];
  /**
   * Show the container's own limits where programs look for the machine's: /proc/meminfo, cpuinfo, stat, loadavg,
   * uptime, swaps, the CPUs of /sys, sysinfo(2) and sched_getaffinity(2). Live as long as this program runs.
   */
  readonly view?: boolean;
  /**
   * A time of day of its own: "2038-01-19T03:14:00Z", or "+3d" from now. Programs see it however they are linked; times
   * of files and timers that wait for a time of day are the machine's. x86-64.
   */
  readonly date?: string;
  /** How long a handler may take; then its call fails with ETIMEDOUT. Default "10s". */
  readonly syscallDeadline?: string | number;
  /** Tell which system call was refused, or killed for: `blockedSyscalls` of the result. */
  readonly reportBlocked?: boolean;
  /** Refuse nothing, and tell which system calls there were: `learnedSyscalls` of the result. */
  readonly learn?: boolean;
  /** Names without RLIMIT_, as in ulimit: `{ nofile: 1024, core: [0, 0] }`; "unlimited" is one. */
  readonly ulimits?: Ulimits;
  /**
   * Host devices: ["/dev/fuse", "/dev/loop3:/dev/data:rw"], or the container's name of each to the host's:
   * { "/dev/data": { source: "/dev/loop3", access: "r" } }. Who is given some may use no others but the usual ones.
   * "nvidia.com/gpu=0" is what a file of /etc/cdi or /var/run/cdi says (Container Device Interface).
   */
  readonly devices?: DeviceOptions;
  /**
   * Graphics processors: "all", how many, or which: by number (in the order of their PCI addresses), PCI address or UUID.
   * Their device nodes; what drives them in user space must be in the root filesystem, as it is in the machine's own.
   */
  readonly gpus?: "all" | number | readonly (string | number)[];
  /**
   * Paths of the container that can be opened at all: to read (and execute), or for anything. Its own /dev, /proc and
   * /tmp can always be. Holds without privileges, and cannot be undone by the command. landlock(7).
   */
  readonly paths?: { readonly readOnly?: readonly string[]; readonly readWrite?: readonly string[] };
  /** Leave /proc and /sys as they are: nothing of them is masked or read-only. */
  readonly unmask?: boolean;
  /** Labels of the security modules, where the kernel has them: attr/exec of proc(5). */
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  /** Options for a purpose, below those that are given. */
  readonly profile?: ProfileName;
  /** Names that its /etc/hosts has addresses for, besides those that are there: `{ db: "10.0.0.2" }`; "host-gateway" is the host, on a bridge. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Names and values by which people find it: the annotations of its spec. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly oomScoreAdj?: number;
  readonly umask?: number;
  /** A first process which reaps zombies and passes signals on. */
  readonly init?: boolean;
  /** A terminal of its own. */
  readonly tty?: boolean | { readonly rows: number; readonly columns: number };
  /** After this long the container is killed. */
  readonly timeout?: string | number;
  /** What cannot be applied is an error, instead of an entry of `notApplied`. */
  readonly strict?: boolean;
  /** Do with what an unprivileged user may: a user namespace, no control groups. Default for all users but root. */
  readonly rootless?: boolean;
  /**
   * Clock offsets of the time namespace, in seconds or as "+3d": `{ monotonic: "+1h", boottime: 86400 }`. Monotonic time
   * begins there and never runs backwards. time_namespaces(7).
   */
  readonly clock?: { readonly monotonic?: number | string; readonly boottime?: number | string };
  /** Ids of the container as ids of the host. */
  readonly idMap?: { readonly uid: readonly IdRange[]; readonly gid: readonly IdRange[] };
};

export type IdRange = { readonly container: number; readonly host: number; readonly size: number };
