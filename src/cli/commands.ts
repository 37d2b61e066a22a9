import { InvalidOptionError } from "../values/errors.ts";
import * as containers from "./containers.ts";
import { diff } from "./diff.ts";
import { doctor } from "./doctor.ts";
import { type Command, completion } from "./help.ts";
import { containerOptions, type OptionTable, runOptions } from "./options.ts";
import { print } from "./output.ts";
import { compileToFile, explain, run } from "./run.ts";

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
    perform: run,
  },
  exec: {
    words: "[options] NAME COMMAND [ARGUMENT…]",
    summary: "run a command in a running container",
    options: {
      env: { type: "string", short: "e", multiple: true, value: "K=V", help: "set an environment variable" },
      workdir: { type: "string", short: "w", value: "DIR", help: "working directory" },
      user: { type: "string", short: "u", value: "USER[:GROUP]", help: "run as this user" },
      tty: { type: "boolean", short: "t", help: "a terminal of its own" },
      interactive: { type: "boolean", short: "i", help: "keep standard input open (it always is)" },
    },
    own: 1,
    perform: (v, [name, ...command]) => containers.exec(v, first(name === undefined ? [] : [name]), command),
  },
  ps: {
    words: "[options]",
    summary: "list containers",
    options: {
      all: { type: "boolean", short: "a", help: "those that have ended too" },
      quiet: { type: "boolean", short: "q", help: "names only" },
      ...json,
    },
    own: "all",
    perform: (v) => containers.ps(v),
  },
  logs: {
    words: "[options] NAME",
    summary: "print what a detached container wrote",
    options: { follow: { type: "boolean", short: "f", help: "and what it writes until it ends" } },
    own: "all",
    perform: (v, names) => containers.logs(v, first(names)),
  },
  wait: {
    words: "NAME…",
    summary: "wait for the end, and print the exit status",
    options: {},
    own: "all",
    perform: (_, n) => containers.wait(some(n)),
  },
  stop: {
    words: "[options] NAME…",
    summary: "ask to end, then kill",
    options: {
      time: { type: "string", value: "TIME", help: "how long to wait before killing (default 10s)" },
      ...signal,
    },
    own: "all",
    perform: (v, n) => containers.stop(v, some(n)),
  },
  kill: {
    words: "[options] NAME…",
    summary: "send a signal (default KILL)",
    options: signal,
    own: "all",
    perform: (v, n) => containers.kill(v, some(n)),
  },
  rm: {
    words: "[options] NAME…",
    summary: "remove what is left of a container",
    options: { force: { type: "boolean", short: "f", help: "kill it first if it runs" } },
    own: "all",
    perform: (v, n) => containers.rm(v, some(n)),
  },
  inspect: {
    words: "NAME…",
    summary: "all that is known of a container, as JSON",
    options: {},
    own: "all",
    perform: (_, n) => containers.inspect(some(n)),
  },
  diff: {
    words: "NAME",
    summary: "what a container run with --keep added (A), changed (C) and deleted (D)",
    options: {},
    own: "all",
    perform: (_, n) => diff(first(n)),
  },
  explain: {
    words: "[options] [--] COMMAND [ARGUMENT…]",
    summary: "print the system calls that a run would make, and make none",
    options: { ...runOptions, ...json, spec: { type: "boolean", help: "the OCI runtime spec instead" } },
    own: 0,
    perform: explain,
  },
  compile: {
    words: "[options] -o FILE [--] COMMAND [ARGUMENT…]",
    summary: "write a container as one small executable which needs nothing else",
    options: { ...containerOptions, output: { type: "string", short: "o", value: "FILE", help: "the file to write" } },
    own: 0,
    perform: compileToFile,
  },
  doctor: {
    words: "",
    summary: "what this machine can and cannot do, and why",
    options: json,
    own: "all",
    perform: (v) => doctor(v["json"] === true),
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
