/** What an engine asks for beside the bundle: the command line of `create`, `run` and `exec`, as data. */
export type Lifecycle = {
  readonly id: string;
  readonly bundle: string;
  /** The directory of its state: ROOT/ID. */
  readonly directory: string;
  /** What is written down of it: state.json. */
  readonly state: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly ociVersion: string;
  /**
   * "create": the command waits for `start`. "detached": it is started. "attached": and waited for. "kept": as "create", by
   * a process of a launcher that stays with it.
   */
  readonly mode: "create" | "detached" | "attached" | "kept";
  /** Kept: what the standard streams are. One that is missing is /dev/null. */
  readonly streams?: Streams;
  /** Attached: what is left at the end stays, for `delete`. */
  readonly keep: boolean;
  /** Attached: processes that lose their parent become ours. */
  readonly subreaper: boolean;
  readonly caller: Caller;
  /** The runtime's own environment, for hooks that are given none; files that their standard output and error are appended to. */
  readonly hooks: {
    /** Of those that are given none. "inherited": that with which the program is executed. */
    readonly environment: readonly string[] | "inherited";
    readonly files: readonly (string | undefined)[];
  };
  /** The socket of the service manager that is told when the container says that it is ready: sd_notify(3). */
  readonly notify?: string;
  /** How it is said that something went wrong of which nothing fails. */
  readonly warning: (message: string) => Warning;
  /** For a container that the small commands can do without an engine: its own group, the rest of its state, its end. */
  readonly plain?: { readonly home: string; readonly brief: string; readonly end: Uint8Array };
};

export type Stream = { readonly kind: "fifo" | "file"; readonly path: string };
export type Streams = { readonly [S in "stdin" | "stdout" | "stderr"]?: Stream };

/** A line, and the file that it is appended to; without one it is for standard error. */
export type Warning = { readonly line: string; readonly file?: string };

/** What both a container and another process in it have from their caller. */
export type Caller = {
  readonly pidFile?: string;
  /** Who gets the master side of the terminal. */
  readonly consoleSocket?: string;
  /** Who gets a descriptor of the first process. */
  readonly pidfdSocket?: string;
  /** File descriptors from 3 on that the command is to have. */
  readonly preserve: number;
};

/** The files of a container's state directory. */
export const RUNTIME_FILES = {
  lock: "lock",
  state: "state.json",
  /** A FIFO: a byte in it starts the command. */
  go: "go",
  /** A FIFO: it ends without a byte when the command is executed; else the failure is in it. */
  done: "done",
  /** The labels of the steps from the gate on. */
  labels: "labels",
  /** /proc/PID/stat of the first process, at its creation. */
  init: "init",
  /** A link to its group in the hierarchy that freezes. */
  home: "home",
  /** What does not change of its state, as JSON without the first lines. */
  brief: "brief",
  /** The program that removes all of it. */
  end: "end",
  /** Its PID namespace and its first process, 8 bytes each. */
  plain: "plain",
  /** What was in `done`, if a start failed. */
  failed: "failed",
} as const;

/** The file `labels`: by section, what its steps from one on are for. */
export type Labels = Readonly<Record<string, { readonly from: number; readonly labels: readonly string[] }>>;

/** What the FIFO `done` says: section, step and errno of the failure, 8 bytes each. */
export const FAILURE_RECORD = 24;

/** In the directory of its state: a directory of its own, which the container sees, and the socket in it. */
export const NOTIFY = { directory: "notify", socket: "notify" } as const;
