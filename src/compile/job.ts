import type { DevicesLimits } from "../cgroups/controllers/devices.ts";
import type { Address } from "../kernel/rtnetlink.ts";
import type { NetworkPlan } from "./network-plan.ts";
import type { NamespaceKind } from "./spec.ts";

/** What a start needs that an OCI spec does not say: where things are kept and who is told of what. */
export type Job = {
  readonly name: string;
  /** The root filesystem: the spec's directory itself, or a copy-on-write view of it. */
  readonly root:
    | { readonly kind: "directory" }
    | { readonly kind: "overlay"; readonly keep?: string }
    /** As it is in the mount namespace that is entered. */
    | { readonly kind: "joined" }
    /** A view made of an overlay for each top-level directory: what a user namespace may do of the host's root. */
    | { readonly kind: "parts"; readonly entries: readonly RootEntry[] };
  /** Its ids are mapped: to be done with the host's rights, before there is a user namespace. */
  readonly mapRoot?: boolean;
  /** Files that say what is the container's alone: they are there already, and are removed at the end. */
  readonly claims?: readonly string[];
  /** An existing directory of the host over which the root is assembled, in the container's mount namespace only. */
  readonly scratch: string;
  /** Whether each source of a bind mount is a directory: what to make as its mount point if that is missing. */
  readonly directories: Readonly<Record<string, boolean>>;
  /** Sources of bind mounts that the root of the container's user namespace may not search the way to. */
  readonly closed?: readonly string[];
  /** Where a link leads that is made at a destination instead of a mount. */
  readonly links?: Readonly<Record<string, string>>;
  /** Mount points that the root filesystem has already. One that goes until then is an error, not a hole. */
  readonly existing: readonly string[];
  /** Made where it is missing: what the working directory is, links followed. */
  readonly workdir?: string;
  /** The host path of a device whose name in the container is another. */
  readonly deviceSources?: Readonly<Record<string, string>>;
  readonly stdio: readonly [Stdio, Stdio, Stdio];
  readonly terminal?: Terminal;
  /** Run a first process that reaps and passes signals on, and the command as its child. */
  readonly init: boolean;
  /** No command: the first process waits and reaps until it is told to end. */
  readonly idle: boolean;
  /** Another process: which of the container's namespaces it enters. Default all. */
  readonly enter?: readonly NamespaceKind[];
  readonly timeoutMs: number;
  /** No other container is started here meanwhile: there may be a processor for what can be done beside the rest. */
  readonly alone?: boolean;
  /** The launcher has a network namespace that is nobody's yet. */
  readonly spare?: boolean;
  /** The root is changed without pivot_root(2). */
  readonly noPivot?: boolean;
  /** What a tmpfs with `tmpcopyup` begins with, by its destination. */
  readonly copyUp?: Readonly<Record<string, readonly CopiedEntry[]>>;
  /** How it is connected to a network. */
  readonly network?: NetworkPlan;
  /** Files that are shown at a path of the container, whatever its root has there. */
  readonly files?: readonly { readonly path: string; readonly text: string }[];
  /** Interfaces of the host's that become the container's. */
  readonly netDevices?: readonly MovedDevice[];
  /** The container has the caller's session keyring. */
  readonly sharedKeyring?: boolean;
  readonly state?: StatePlan;
  readonly cgroup: CgroupPlan;
  /** The directory of the control group that the supervisor is born in; default: its caller's group. */
  readonly supervisorGroup?: string;
  /** Whoever loads the filter hands its listener out by a call with this number, which only the filter knows. */
  readonly notify?: { readonly cookie: bigint };
  readonly report: Report;
  /** Instead of the command: wait for the rest of the program on this pipe (the warm pool). */
  readonly warm?: boolean;
};

/** An entry of the host's root directory. "mounts": other file systems are mounted below; "empty": shown empty. */
export type RootEntry =
  | { readonly name: string; readonly kind: "directory" | "mounts" | "empty" }
  | { readonly name: string; readonly kind: "link"; readonly target: string };

export type MovedDevice = {
  readonly from: string;
  readonly name: string;
  readonly index: number;
  readonly addresses: readonly Address[];
};

/** A file of the root filesystem that is copied: parents come before what is in them. */
export type CopiedEntry = {
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
} & ({ readonly kind: "directory" | "file" } | { readonly kind: "link"; readonly target: string });

export type Stdio =
  | { readonly kind: "inherit" }
  | { readonly kind: "null" }
  | { readonly kind: "pipe" }
  | { readonly kind: "log"; readonly path: string };

/** The size of the container's terminal, and whether the caller's own is put into raw mode meanwhile. */
export type Terminal = {
  readonly raw: boolean;
  readonly rows: number;
  readonly columns: number;
  /** What it shows goes to no terminal, which would need a carriage return for each line. */
  readonly plain?: boolean;
};

/** Where the state of a container is kept (docs/architecture.md). */
export type StatePlan = {
  readonly directory: string;
  readonly json: string;
  /** Who looks after it is counted (src/compile/living.ts): it is in root's own place. */
  readonly counted: boolean;
  /** Remove all of it at the end. */
  readonly remove: boolean;
  /** The place of its log and its changes, which outlive the machine's boot. */
  readonly data?: { readonly directory: string; readonly log?: string; readonly changes?: string };
};

/** Whether what is left at the end is more than a program can remove: groups in its groups, directories in directories. */
export const isLeftToCommand = ({ cgroup, state }: Pick<Job, "cgroup" | "state">): boolean =>
  cgroup.delegated === true || (state?.remove === true && state.data?.changes !== undefined);

/** The control groups to make, as src/cgroups decided them for the layout found. */
export type CgroupPlan = {
  readonly groups: readonly {
    readonly path: string;
    /** Parents that are made, and left, if missing. */
    readonly parents: readonly string[];
    /** What the parents must allow first: cgroup.subtree_control of v2. */
    readonly prepare: readonly { readonly path: string; readonly text: string }[];
    readonly writes: readonly {
      readonly file: string;
      readonly text: string;
      /** The file that is meant where the kernel does not have the first. */
      readonly or?: string;
      readonly ignore?: readonly string[];
    }[];
    /** Files read when the container has ended. */
    readonly reads: readonly { readonly key: string; readonly file: string }[];
    readonly unified: boolean;
    /** It is there, and stays: only to be entered. */
    readonly existing?: boolean;
    /** A group in it that the container is given: the limits stay outside, where it cannot change them. */
    readonly inner?: string;
    /** A group in that one to which the container's first process goes once it has its cgroup namespace. */
    readonly leaf?: string;
    /** A filter to attach: what v2 has for the devices controller. */
    readonly devices?: DevicesLimits;
  }[];
  /** The container makes groups in them: what is left of those is more than the executor can remove. */
  readonly delegated?: boolean;
  /** Where they are in each hierarchy, if they are in a group that was chosen for them. */
  readonly path?: string;
};

export type Report =
  /** Frames to the launcher's socket, with this token. */
  | { readonly to: "library"; readonly token: number; readonly survive: boolean }
  /** The command: this process is it, and it becomes `after` to explain an end that needs words. */
  | {
      readonly to: "command";
      /** The command line's own executable and the words before the numbers: it says what went wrong, and why it ended. */
      readonly after: readonly string[];
      /** The file that is performed, removed first thing; kept open for `after` to find labels in. */
      readonly file: string;
      readonly detach: boolean;
      /** Whether an end by a signal is worth a line. */
      readonly explain: boolean;
      /** The command is given when the program is performed; its name is then the last word of `after`. */
      readonly given?: boolean;
    }
  /** A command of the OCI runtime: it becomes `after` to say what failed; `fd` is where the record is then. */
  | { readonly to: "runtime"; readonly after: readonly string[]; readonly fd: number }
  /** A file by itself (caisson compile): the step and errno as an exit status only. */
  | { readonly to: "nobody" };
