import { InvalidOptionError } from "../values/errors.ts";
import { environmentOptions } from "./environment.ts";
import { allLimits, groupCommands } from "./group-commands.ts";
import { type Command, completion } from "./help.ts";
import { networkCommands } from "./network-commands.ts";
import type { OptionTable } from "./option-table.ts";
import { containerOptions, runOptions } from "./options.ts";
import { print } from "./output.ts";

// Loaded when they are needed: what a run does not use costs it nothing.
const containers = () => import("./containers.ts");
const runs = () => import("./run.ts");

const control = () => import("./control.ts");

const { ulimit: _, ...updatable } = allLimits;
const json: OptionTable = { json: { type: "boolean", help: "as JSON" } };
const signal: OptionTable = { signal: { type: "string", short: "s", value: "SIG", help: "the signal to send" } };

function some(names: readonly string[]): readonly string[] {
  if (names.length === 0)
    throw new InvalidOptionError("NAME", "", 'given; "caisson ps --all" lists the containers there are');
  return names;
}
const first = (names: readonly string[]): string => some(names)[0] as string;

export const commands: Readonly<Record<string, Command>> = {
  run: {
    words: "[options] [--] COMMAND [ARGUMENT…]",
    summary: "run a command in a new container",
    details:
      "Without --rootfs the container sees a copy-on-write view of this machine's own root: nothing it writes outlives it.\nExit status: the command's own; 125 if nothing was started, 126 if it cannot be executed, 127 if it was not found,\n128 + n if signal n ended it.",
    options: runOptions,
    own: 0,
    perform: async (v, command) => (await runs()).run(v, command),
  },
  exec: {
    words: "[options] NAME COMMAND [ARGUMENT…]",
    summary: "run a command in a running container",
    options: {
      ...environmentOptions,
      workdir: { type: "string", short: "w", value: "DIR", help: "working directory" },
      user: { type: "string", short: "u", value: "USER[:GROUP]", help: "run as this user" },
      tty: { type: "boolean", short: "t", help: "a terminal of its own" },
      interactive: { type: "boolean", short: "i", help: "keep standard input open (it always is)" },
      detach: { type: "boolean", short: "d", help: "leave it running: nothing of its output is kept" },
      namespaces: {
        type: "string",
        value: "KIND,…",
        help: "enter these of its namespaces only (network,pid): all else is the host's",
      },
    },
    own: 1,
    perform: async (v, [name, ...command]) =>
      (await import("./exec.ts")).exec(v, first(name === undefined ? [] : [name]), command),
  },
  ps: {
    words: "[options]",
    summary: "list containers",
    options: {
      all: { type: "boolean", short: "a", help: "those that have ended too" },
      filter: {
        type: "string",
        short: "f",
        multiple: true,
        value: "KEY=VALUE",
        help: "those only: name=PART, status=STATUS (and so of those that have ended), label=K[=V]",
      },
      quiet: { type: "boolean", short: "q", help: "names only" },
      ...json,
    },
    own: "all",
    perform: async (v) => (await containers()).ps(v),
  },
  logs: {
    words: "[options] NAME",
    summary: "print what a detached container wrote",
    options: {
      follow: { type: "boolean", short: "f", help: "and what it writes until it ends" },
      tail: { type: "string", short: "n", value: "N", help: "the last lines only" },
    },
    own: "all",
    perform: async (v, names) => (await import("./logs.ts")).logs(v, first(names)),
  },
  wait: {
    words: "NAME…",
    summary: "wait for the end, and print the exit status",
    options: {},
    own: "all",
    perform: async (_, n) => (await containers()).wait(some(n)),
  },
  stop: {
    words: "[options] NAME…",
    summary: "ask to end, then kill",
    options: {
      time: {
        type: "string",
        short: "t",
        value: "TIME",
        help: "how long to wait before killing (default 10s, or --stop-timeout of the run)",
      },
      ...signal,
    },
    own: "all",
    perform: async (v, n) => (await containers()).stop(v, some(n)),
  },
  kill: {
    words: "[options] NAME…",
    summary: "send a signal (default KILL)",
    options: signal,
    own: "all",
    perform: async (v, n) => (await containers()).kill(v, some(n)),
  },
  rm: {
    words: "[options] NAME…",
    summary: "remove what is left of a container",
    options: {
      force: { type: "boolean", short: "f", help: "kill it first if it runs, and pass over one that is not there" },
    },
    own: "all",
    perform: async (v, n) => (await containers()).rm(v, some(n)),
  },
  inspect: {
    words: "NAME…",
    summary: "all that is known of a container, as JSON",
    options: {},
    own: "all",
    perform: async (_, n) => (await containers()).inspect(some(n)),
  },
  pause: {
    words: "NAME…",
    summary: "stop all processes of a container, at one moment",
    options: {},
    own: "all",
    perform: async (_, n) => (await control()).pause(some(n)),
  },
  unpause: {
    words: "NAME…",
    summary: "let them go on",
    options: {},
    own: "all",
    perform: async (_, n) => (await control()).unpause(some(n)),
  },
  update: {
    words: "[options] NAME…",
    summary: "change the limits of running containers",
    options: updatable,
    own: "all",
    perform: async (v, n) => (await control()).update(v, some(n)),
  },
  stats: {
    words: "[options] [NAME…]",
    summary: "what containers use, again and again; all that run, if none is named",
    options: {
      "no-stream": { type: "boolean", help: "once" },
      interval: { type: "string", value: "TIME", help: "how often (default 1s)" },
      ...json,
    },
    own: "all",
    perform: async (v, n) => (await import("./stats.ts")).stats(v, n),
  },
  events: {
    words: "[NAME…]",
    summary: "print what happens in containers' control groups, a line of JSON for each event",
    options: {},
    own: "all",
    perform: async (_, n) => (await control()).events(n),
  },
  top: {
    words: "[options]",
    summary: "a live table of containers and control groups: cpu, memory, io, pressure",
    details:
      "Keys: c m i p n sort by CPU, memory, I/O, pressure or name; arrows choose; f freezes or thaws, k kills, q quits.",
    options: {
      interval: { type: "string", value: "TIME", help: "how often (default 1s)" },
      json: { type: "boolean", help: "a line of JSON per interval" },
    },
    own: "all",
    perform: async (v) => (await import("./top.ts")).top(v),
  },
  ...groupCommands,
  ...networkCommands,
  cp: {
    words: "[options] SOURCE DESTINATION",
    summary: "copy files from or to a running container",
    details:
      "One of the two is NAME:PATH; both may be. A directory is copied with all that is in it, into the destination if that is a\ndirectory; SOURCE/. is what is in it. Links are copied as links. What is made belongs to the container's root, or to the caller.",
    options: {
      archive: { type: "boolean", short: "a", help: "with the numbers of users and groups, and set-user-ID bits" },
      "follow-link": { type: "boolean", short: "L", help: "of a SOURCE that is a link, what it leads to" },
    },
    own: "all",
    perform: async (v, words) => (await import("./copy.ts")).copy(v, words),
  },
  diff: {
    words: "NAME",
    summary: "what a container run with --keep added (A), changed (C) and deleted (D)",
    options: {},
    own: "all",
    perform: async (_, n) => (await import("./diff.ts")).diff(first(n)),
  },
  explain: {
    words: "[options] [--] COMMAND [ARGUMENT…]",
    summary: "print the system calls that a run would make, and make none",
    options: { ...runOptions, ...json, spec: { type: "boolean", help: "the OCI runtime spec instead" } },
    own: 0,
    perform: async (v, command) => (await runs()).explain(v, command),
  },
  compile: {
    words: "[options] -o FILE [--] COMMAND [ARGUMENT…]",
    summary: "write a container as one small executable which needs nothing else",
    options: { ...containerOptions, output: { type: "string", short: "o", value: "FILE", help: "the file to write" } },
    own: 0,
    perform: async (v, command) => (await runs()).compileToFile(v, command),
  },
  doctor: {
    words: "",
    summary: "what this machine can and cannot do, and why",
    options: json,
    own: "all",
    perform: async (v) => (await import("./doctor.ts")).doctor(v["json"] === true),
  },
  oci: {
    words: "[options] COMMAND …",
    summary: "what engines call: the same as caisson-oci",
    options: {},
    own: 0,
    perform: async (_, words) => (await import("../oci/main.ts")).ociMain(words),
  },
  completion: {
    words: "bash|zsh",
    summary: "print a completion script for a shell",
    options: {},
    own: "all",
    perform: (_, [shell = "bash"]) => {
      if (shell !== "bash" && shell !== "zsh") throw new InvalidOptionError("SHELL", shell, "bash or zsh");
      print(completion(shell, commands));
      return 0;
    },
  },
};
