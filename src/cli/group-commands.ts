import { InvalidOptionError } from "../values/errors.ts";
import type { Command } from "./help.ts";
import { limitOptions } from "./limits.ts";
import type { OptionTable } from "./option-table.ts";

const group = () => import("./group.ts");

function some(names: readonly string[]): readonly string[] {
  if (names.length === 0)
    throw new InvalidOptionError("GROUP", "", 'given; "caisson group list" lists those there are');
  return names;
}
const first = (names: readonly string[]): string => some(names)[0] as string;

const json: OptionTable = { json: { type: "boolean", help: "as JSON" } };
const timeout: OptionTable = {
  timeout: { type: "string", value: "TIME", help: "wait this long at most (default 10s)" },
};

export const allLimits: OptionTable = {
  memory: { type: "string", short: "m", value: "SIZE", help: "memory at most (memory.max): 512M" },
  cpus: { type: "string", value: "N", help: "CPUs' worth of time (cpu.max): 1.5" },
  "pids-limit": { type: "string", value: "N", help: "processes and threads at most (pids.max)" },
  ...limitOptions,
  ulimit: {
    type: "string",
    multiple: true,
    value: "NAME=SOFT[:HARD]",
    help: "a limit of each process in it: nofile=1024",
  },
};
const account: OptionTable = {
  account: {
    type: "string",
    multiple: true,
    value: "C,…",
    help: "count for these controllers, though without a limit",
  },
};

/** Control groups by themselves, without a container. */
export const groupCommands: Readonly<Record<string, Command>> = {
  "group list": {
    words: "[options]",
    summary: "list the control groups that caisson made, containers' among them",
    options: json,
    own: "all",
    perform: async (v) => (await group()).list(v),
  },
  "group tree": {
    words: "[options] [GROUP]",
    summary: "the same with the groups in them; a path such as /user.slice shows others'",
    options: { processes: { type: "boolean", short: "p", help: "with their processes" } },
    own: "all",
    perform: async (v, [name]) => (await group()).tree(v, name),
  },
  "group show": {
    words: "GROUP…",
    summary: "limits, usage and pressure of a group, as JSON in base units",
    options: {},
    own: "all",
    perform: async (_, names) => (await group()).show(some(names)),
  },
  "group create": {
    words: "[options] GROUP",
    summary: "make a group; web/api makes one within web",
    options: { ...allLimits, ...account },
    own: "all",
    perform: async (v, names) => (await group()).create(v, first(names)),
  },
  "group set": {
    words: "[options] GROUP",
    summary: "change limits: either all hold afterwards, or none was changed",
    options: allLimits,
    own: "all",
    perform: async (v, names) => (await group()).set(v, first(names)),
  },
  "group add": {
    words: "GROUP PID…",
    summary: "move processes into a group",
    options: {},
    own: "all",
    perform: async (_, [name, ...pids]) => (await group()).add(first(name === undefined ? [] : [name]), pids),
  },
  "group run": {
    words: "[options] [--] COMMAND [ARGUMENT…]",
    summary: "run a command in a control group, with no container around it",
    details:
      "The group is the command's own and goes when it ends, with all that is still in it; with --in it is one that is there.\nExit status: the command's own.",
    options: {
      name: { type: "string", value: "NAME", help: "name the group (default: twelve random digits)" },
      in: { type: "string", value: "GROUP", help: "run in this group, which is there and stays" },
      ...allLimits,
      ...account,
      timeout: { type: "string", value: "TIME", help: "kill it after this long: 30s" },
    },
    own: 0,
    perform: async (v, command) => (await group()).run(v, command),
  },
  "group freeze": {
    words: "[options] GROUP…",
    summary: "stop all processes of a group and below, at one moment",
    options: timeout,
    own: "all",
    perform: async (v, names) => (await group()).freeze(v, some(names)),
  },
  "group thaw": {
    words: "GROUP…",
    summary: "let them go on",
    options: {},
    own: "all",
    perform: async (_, names) => (await group()).thaw(some(names)),
  },
  "group kill": {
    words: "[options] GROUP…",
    summary: "end all processes of a group and below",
    options: {
      signal: { type: "string", short: "s", value: "SIG", help: "send this signal instead of KILL" },
      ...timeout,
    },
    own: "all",
    perform: async (v, names) => (await group()).kill(v, some(names)),
  },
  "group events": {
    words: "[options] GROUP",
    summary: "print what happens in a group, a line of JSON for each event",
    options: {
      pressure: {
        type: "string",
        multiple: true,
        value: "KIND.LEVEL=TIME",
        help: "tell when tasks waited this long within 2s: memory.some=150ms",
      },
    },
    own: "all",
    perform: async (v, names) => (await group()).events(v, first(names)),
  },
  "group remove": {
    words: "[options] GROUP…",
    summary: "remove groups that caisson made",
    options: {
      recursive: { type: "boolean", short: "r", help: "with the groups in them" },
      kill: { type: "boolean", help: "end what is in them first" },
      ...timeout,
    },
    own: "all",
    perform: async (v, names) => (await group()).remove(v, some(names)),
  },
};
