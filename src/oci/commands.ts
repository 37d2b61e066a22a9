import { resolve } from "node:path";
import type { OptionTable, Values } from "../cli/option-table.ts";
import { put } from "../host/output.ts";
import type { Global } from "./context.ts";
import type { CreateOptions } from "./create.ts";
import { criuCommands } from "./criu/commands.ts";
import { bundleOptions, string, text } from "./option-values.ts";
import { RuntimeError } from "./places.ts";

export type OciCommand = {
  readonly words: string;
  readonly summary: string;
  readonly options: OptionTable;
  /** How many words may follow the options; "rest": what comes after the first is somebody else's. */
  readonly takes: number | "rest";
  perform(g: Global, v: Values, words: readonly string[]): Promise<number> | number;
};

const list = (v: Values, name: string): string[] => (v[name] as string[] | undefined) ?? [];

function count(v: Values, name: string): number {
  const given = text(v, name) ?? "0";
  if (!/^\d{1,4}$/.test(given)) throw new RuntimeError(`--${name}: ${JSON.stringify(given)} is not a number of files`);
  return Number(given);
}

const createOptions = (v: Values, more: Pick<CreateOptions, "mode" | "keep" | "subreaper">): CreateOptions => ({
  bundle: text(v, "bundle"),
  config: text(v, "config"),
  pidFile: text(v, "pid-file"),
  consoleSocket: text(v, "console-socket"),
  pidfdSocket: text(v, "pidfd-socket"),
  preserve: count(v, "preserve-fds") + Number(process.env["LISTEN_FDS"] ?? 0),
  noPivot: v["no-pivot"] === true,
  noNewKeyring: v["no-new-keyring"] === true,
  ...more,
});

/** `--regex`, as crun has it: the id is a pattern, and each that it matches is gone through, whatever happens to the others. */
async function forEach(
  g: Global,
  v: Values,
  id: string | undefined,
  act: (id: string | undefined) => Promise<number>,
): Promise<number> {
  if (!v["regex"]) return act(id);
  const { matching } = await import("./query.ts");
  const failures: unknown[] = [];
  for (const one of matching(g.root, id)) await act(one).catch((e: unknown) => failures.push(e));
  if (failures.length) throw failures[0];
  return 0;
}

export const ociCommands: Readonly<Record<string, OciCommand>> = {
  create: {
    words: "[options] ID",
    summary: "create a container: its command waits for start",
    options: {
      ...bundleOptions,
      "no-subreaper": { type: "boolean", help: "taken for the sake of engines: it is none" },
    },
    takes: 1,
    perform: async (g, v, [id]) =>
      (await import("./create.ts")).create(g, id, createOptions(v, { mode: "create", keep: true, subreaper: false })),
  },
  run: {
    words: "[options] ID",
    summary: "create and start a container, and wait for it",
    options: {
      ...bundleOptions,
      detach: { type: "boolean", short: "d", help: "do not wait" },
      keep: { type: "boolean", help: "leave it for delete when it has ended" },
      "no-subreaper": { type: "boolean", help: "leave orphaned processes to others" },
    },
    takes: 1,
    perform: async (g, v, [id]) =>
      (await import("./create.ts")).create(
        g,
        id,
        createOptions(v, {
          mode: v["detach"] ? "detached" : "attached",
          keep: v["keep"] === true,
          subreaper: v["no-subreaper"] !== true,
        }),
      ),
  },
  start: {
    words: "ID",
    summary: "execute the command of a created container",
    options: {},
    takes: 1,
    perform: async (g, _, [id]) => (await import("./start.ts")).start(g, id),
  },
  state: {
    words: "ID",
    summary: "print the state of a container",
    options: {},
    takes: 1,
    perform: async (g, _, [id]) => (await import("./query.ts")).state(g, id),
  },
  kill: {
    words: "[options] ID [SIGNAL]",
    summary: "send a signal to the first process (default TERM)",
    options: {
      all: { type: "boolean", short: "a", help: "to all processes" },
      regex: { type: "boolean", short: "r", help: "to all containers of which the id matches ID" },
    },
    takes: 2,
    perform: async (g, v, [id, signal]) => {
      const { kill } = await import("./kill.ts");
      return forEach(g, v, id, (one) => kill(g, one, signal, v["all"] === true));
    },
  },
  delete: {
    words: "[options] ID",
    summary: "remove what is left of a container",
    options: {
      force: { type: "boolean", short: "f", help: "kill it first" },
      regex: { type: "boolean", short: "r", help: "all containers of which the id matches ID" },
    },
    takes: 1,
    perform: async (g, v, [id]) => {
      const { remove } = await import("./delete.ts");
      return forEach(g, v, id, (one) => remove(g, one, v["force"] === true));
    },
  },
  exec: {
    words: "[options] ID [COMMAND [ARGUMENT…]]",
    summary: "run another process in a container",
    options: {
      process: { type: "string", short: "p", value: "FILE", help: "the process as in config.json" },
      cwd: string("DIR", "working directory"),
      env: { type: "string", short: "e", multiple: true, value: "K=V", help: "set an environment variable" },
      tty: { type: "boolean", short: "t", help: "a terminal" },
      user: { type: "string", short: "u", value: "UID[:GID]", help: "run as this user" },
      "additional-gids": { type: "string", short: "g", multiple: true, value: "GID", help: "another group" },
      cap: { type: "string", short: "c", multiple: true, value: "CAP", help: "another capability" },
      "no-new-privs": { type: "boolean", help: "set-uid programs give nothing" },
      apparmor: string("PROFILE", "AppArmor profile"),
      "process-label": string("LABEL", "SELinux label"),
      cgroup: {
        type: "string",
        multiple: true,
        value: "[CONTROLLERS:]PATH",
        help: "a group below the container's, on v1 by controller",
      },
      "pid-file": string("FILE", "where to write the pid"),
      "console-socket": string("SOCKET", "who takes the terminal"),
      "pidfd-socket": string("SOCKET", "who gets a descriptor of the process"),
      detach: { type: "boolean", short: "d", help: "do not wait" },
      "preserve-fds": string("N", "file descriptors from 3 on to hand through"),
      "ignore-paused": { type: "boolean", help: "in a paused container, too" },
      "no-subreaper": { type: "boolean", help: "leave orphaned processes to others" },
    },
    takes: "rest",
    perform: async (g, v, [id, ...command]) =>
      (await import("./exec.ts")).exec(g, id, command, {
        process: text(v, "process"),
        cwd: text(v, "cwd"),
        env: list(v, "env"),
        tty: v["tty"] === true,
        user: text(v, "user"),
        additionalGids: list(v, "additional-gids"),
        cap: list(v, "cap"),
        noNewPrivileges: v["no-new-privs"] === true ? true : undefined,
        apparmor: text(v, "apparmor"),
        label: text(v, "process-label"),
        cgroup: list(v, "cgroup"),
        pidFile: text(v, "pid-file"),
        consoleSocket: text(v, "console-socket"),
        pidfdSocket: text(v, "pidfd-socket"),
        detach: v["detach"] === true,
        preserve: count(v, "preserve-fds"),
        ignorePaused: v["ignore-paused"] === true,
      }),
  },
  list: {
    words: "[options]",
    summary: "list containers",
    options: {
      format: { type: "string", short: "f", value: "table|json", help: "how (default table)" },
      quiet: { type: "boolean", short: "q", help: "ids only" },
    },
    takes: 0,
    perform: async (g, v) =>
      (await import("./query.ts")).list(g, { format: text(v, "format") ?? "table", quiet: v["quiet"] === true }),
  },
  ps: {
    words: "[options] ID [WORDS FOR ps(1)…]",
    summary: "list the processes of a container",
    options: { format: { type: "string", short: "f", value: "table|json", help: "how (default table)" } },
    takes: "rest",
    perform: async (g, v, [id, ...words]) =>
      (await import("./query.ts")).ps(g, id, { format: text(v, "format") ?? "table", words }),
  },
  pause: {
    words: "ID",
    summary: "stop all processes of a container, at one moment",
    options: {},
    takes: 1,
    perform: async (g, _, [id]) => (await import("./control.ts")).pause(g, id),
  },
  resume: {
    words: "ID",
    summary: "let them go on",
    options: {},
    takes: 1,
    perform: async (g, _, [id]) => (await import("./control.ts")).resume(g, id),
  },
  update: {
    words: "[options] ID",
    summary: "change the limits of a container",
    options: {
      resources: {
        type: "string",
        short: "r",
        value: "FILE",
        help: "resources as in config.json; - is standard input",
      },
      ...Object.fromEntries(
        "blkio-weight cpu-period cpu-quota cpu-burst cpu-share cpu-idle cpu-rt-period cpu-rt-runtime cpuset-cpus cpuset-mems kernel-memory kernel-memory-tcp l3-cache-schema mem-bw-schema memory memory-reservation memory-swap pids-limit"
          .split(" ")
          .map((name) => [name, string("VALUE", `linux.resources: ${name}`)] as const),
      ),
    },
    takes: 1,
    perform: async (g, v, [id]) => (await import("./control.ts")).update(g, id, v),
  },
  events: {
    words: "[options] ID",
    summary: "print figures and out-of-memory events, a line of JSON each",
    options: {
      stats: { type: "boolean", help: "the figures, once" },
      interval: string("TIME", "how often (default 5s)"),
    },
    takes: 1,
    perform: async (g, v, [id]) =>
      (await import("./events.ts")).events(g, id, {
        stats: v["stats"] === true,
        interval: text(v, "interval") ?? "5s",
      }),
  },
  ...criuCommands,
  explain: {
    words: "[options] ID",
    summary: "print the system calls that create would make, and make none",
    options: { ...bundleOptions, json: { type: "boolean", help: "as JSON" } },
    takes: 1,
    perform: async (g, v, [id]) => {
      const [{ prepareCreate }, { explainData, explainText }] = await Promise.all([
        import("./create.ts"),
        import("../program/explain.ts"),
      ]);
      const o = createOptions(v, { mode: "create", keep: true, subreaper: false });
      const { program } = await prepareCreate(g, id, o);
      put(1, `${v["json"] ? JSON.stringify(explainData(program), null, 2) : explainText(program)}\n`);
      return 0;
    },
  },
  spec: {
    words: "[options]",
    summary: "write a configuration to begin with",
    options: {
      bundle: { type: "string", short: "b", value: "DIR", help: "where (default: the working directory)" },
      file: { type: "string", short: "f", value: "FILE", help: "by which name (default: config.json)" },
      rootless: { type: "boolean", help: "for a user who is not root" },
    },
    takes: 0,
    perform: async (_, v) =>
      (await import("./template.ts")).writeTemplate(
        resolve(text(v, "bundle") ?? ".", text(v, "file") ?? "config.json"),
        v["rootless"] === true,
      ),
  },
  features: {
    words: "",
    summary: "print what this runtime can do on this machine",
    options: {},
    takes: 0,
    perform: async () => {
      put(1, `${JSON.stringify((await import("./features.ts")).features(), null, 2)}\n`);
      return 0;
    },
  },
};
