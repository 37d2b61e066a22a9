/** The parts of an OCI runtime spec 1.3 configuration that the compile step reads. Source: config.md, config-linux.md. */

export type Spec = {
  readonly ociVersion: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly root?: { readonly path: string; readonly readonly?: boolean };
  readonly mounts?: readonly Mount[];
  readonly process?: Process;
  readonly linux?: Linux;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly hooks?: Hooks;
};

/** config.md "POSIX-platform Hooks". The timeout is in seconds. */
export type Hook = {
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  readonly timeout?: number;
};
export type HookKind = "prestart" | "createRuntime" | "createContainer" | "startContainer" | "poststart" | "poststop";
export type Hooks = Readonly<Partial<Record<HookKind, readonly Hook[]>>>;

/** config-linux.md "IntelRdt". */
export type IntelRdt = {
  readonly closID?: string;
  readonly schemata?: readonly string[];
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly enableMonitoring?: boolean;
};

export type Mount = {
  readonly destination: string;
  readonly type?: string;
  readonly source?: string;
  readonly options?: readonly string[];
  /** For `idmap` and `ridmap`; without them the container's own maps are meant. */
  readonly uidMappings?: readonly IdMap[];
  readonly gidMappings?: readonly IdMap[];
};

export type User = {
  readonly uid: number;
  readonly gid: number;
  readonly umask?: number;
  readonly additionalGids?: readonly number[];
};

export type CapabilitySets = {
  readonly bounding?: readonly string[];
  readonly effective?: readonly string[];
  readonly inheritable?: readonly string[];
  readonly permitted?: readonly string[];
  readonly ambient?: readonly string[];
};

export type Rlimit = { readonly type: string; readonly soft: number | bigint; readonly hard: number | bigint };

export type Process = {
  readonly terminal?: boolean;
  readonly consoleSize?: { readonly height: number; readonly width: number };
  readonly user: User;
  readonly args: readonly string[];
  readonly env?: readonly string[];
  readonly cwd: string;
  readonly capabilities?: CapabilitySets;
  readonly rlimits?: readonly Rlimit[];
  readonly noNewPrivileges?: boolean;
  readonly oomScoreAdj?: number;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly ioPriority?: { readonly class: string; readonly priority?: number };
  readonly scheduler?: Scheduler;
  readonly execCPUAffinity?: { readonly initial?: string; readonly final?: string };
};

/** sched_setattr(2). Times are nanoseconds. */
export type Scheduler = {
  readonly policy: string;
  readonly nice?: number;
  readonly priority?: number;
  readonly flags?: readonly string[];
  readonly runtime?: number | bigint;
  readonly deadline?: number | bigint;
  readonly period?: number | bigint;
};

export type NamespaceKind = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";
export type Namespace = { readonly type: NamespaceKind; readonly path?: string };
export type IdMap = { readonly containerID: number; readonly hostID: number; readonly size: number };

export type Device = {
  readonly path: string;
  readonly type: "c" | "b" | "u" | "p";
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
};

type DeviceRate = { readonly major: number; readonly minor: number; readonly rate: number };

/** config-linux.md "Control groups". Sizes are bytes, times microseconds; -1 is no limit. */
export type Resources = {
  readonly memory?: {
    readonly limit?: number;
    readonly reservation?: number;
    /** Memory and swap together. */
    readonly swap?: number;
    readonly disableOOMKiller?: boolean;
  };
  readonly cpu?: {
    readonly shares?: number;
    readonly quota?: number;
    readonly period?: number;
    readonly burst?: number;
    readonly idle?: number;
    readonly cpus?: string;
    readonly mems?: string;
  };
  readonly pids?: { readonly limit: number };
  readonly blockIO?: {
    readonly weight?: number;
    readonly weightDevice?: readonly { readonly major: number; readonly minor: number; readonly weight?: number }[];
    readonly throttleReadBpsDevice?: readonly DeviceRate[];
    readonly throttleWriteBpsDevice?: readonly DeviceRate[];
    readonly throttleReadIOPSDevice?: readonly DeviceRate[];
    readonly throttleWriteIOPSDevice?: readonly DeviceRate[];
  };
  readonly devices?: readonly {
    readonly allow: boolean;
    readonly type?: string;
    readonly major?: number;
    readonly minor?: number;
    readonly access?: string;
  }[];
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limit: number }[];
  readonly rdma?: Readonly<Record<string, { readonly hcaHandles?: number; readonly hcaObjects?: number }>>;
  readonly network?: {
    readonly classID?: number;
    readonly priorities?: readonly { readonly name: string; readonly priority: number }[];
  };
  /** Files of control groups v2 and their texts. */
  readonly unified?: Readonly<Record<string, string>>;
};

export type SeccompAction =
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_TRAP"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_NOTIFY";

export type SeccompOp =
  | "SCMP_CMP_NE"
  | "SCMP_CMP_LT"
  | "SCMP_CMP_LE"
  | "SCMP_CMP_EQ"
  | "SCMP_CMP_GE"
  | "SCMP_CMP_GT"
  | "SCMP_CMP_MASKED_EQ";

export type SeccompArg = {
  readonly index: number;
  readonly value: number | bigint;
  readonly valueTwo?: number | bigint;
  readonly op: SeccompOp;
};
export type SeccompRule = {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number;
  readonly args?: readonly SeccompArg[];
};
export type Seccomp = {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number;
  readonly architectures?: readonly string[];
  readonly flags?: readonly string[];
  /** The socket of whoever answers SCMP_ACT_NOTIFY. */
  readonly listenerPath?: string;
  readonly listenerMetadata?: string;
  readonly syscalls?: readonly SeccompRule[];
};

/** A path of the container and what may be done below it; a file has fewer rights than a directory. landlock(7). */
export type PathRule = { readonly path: string; readonly access: "read" | "all"; readonly isFile: boolean };

export type Linux = {
  readonly namespaces?: readonly Namespace[];
  readonly uidMappings?: readonly IdMap[];
  readonly gidMappings?: readonly IdMap[];
  readonly timeOffsets?: Readonly<Partial<Record<"monotonic" | "boottime", { secs?: number; nanosecs?: number }>>>;
  readonly devices?: readonly Device[];
  readonly cgroupsPath?: string;
  readonly resources?: Resources;
  readonly rootfsPropagation?: "shared" | "slave" | "private" | "unbindable";
  readonly seccomp?: Seccomp;
  readonly sysctl?: Readonly<Record<string, string>>;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  /** Not of the OCI spec: paths that can be opened at all. */
  readonly landlock?: readonly PathRule[];
  readonly mountLabel?: string;
  readonly intelRdt?: IntelRdt;
  readonly memoryPolicy?: { readonly mode: string; readonly nodes?: string; readonly flags?: readonly string[] };
  readonly personality?: { readonly domain: string; readonly flags?: readonly string[] };
  /** Interfaces of the host's that become the container's. */
  readonly netDevices?: Readonly<Record<string, { readonly name?: string }>>;
};
