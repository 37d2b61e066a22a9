import { count, list, string, text } from "../option-values.ts";
import type { OciCommand } from "./command.ts";

/** What is done to a container that is there. */
export const running: Readonly<Record<string, OciCommand>> = {
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
      (await import("../exec.ts")).exec(g, id, command, {
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
  ps: {
    words: "[options] ID [WORDS FOR ps(1)…]",
    summary: "list the processes of a container",
    options: { format: { type: "string", short: "f", value: "table|json", help: "how (default table)" } },
    takes: "rest",
    perform: async (g, v, [id, ...words]) =>
      (await import("../query.ts")).ps(g, id, { format: text(v, "format") ?? "table", words }),
  },
  pause: {
    words: "ID",
    summary: "stop all processes of a container, at one moment",
    options: {},
    takes: 1,
    perform: async (g, _, [id]) => (await import("../control.ts")).pause(g, id),
  },
  resume: {
    words: "ID",
    summary: "let them go on",
    options: {},
    takes: 1,
    perform: async (g, _, [id]) => (await import("../control.ts")).resume(g, id),
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
    perform: async (g, v, [id]) => (await import("../control.ts")).update(g, id, v),
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
      (await import("../events.ts")).events(g, id, {
        stats: v["stats"] === true,
        interval: text(v, "interval") ?? "5s",
      }),
  },
};
