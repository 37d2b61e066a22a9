import { resolve } from "node:path";
import type { OptionTable, Values } from "../../cli/option-table.ts";
import type { OciCommand } from "../commands/command.ts";
import { bundleOptions, string, text } from "../option-values.ts";
import { RuntimeError } from "../places.ts";
import type { CriuOptions } from "./criu.ts";

const pick = (table: OptionTable, ...names: readonly string[]): OptionTable =>
  Object.fromEntries(Object.entries(table).filter(([name]) => names.includes(name)));
const flag = (help: string) => ({ type: "boolean", help }) as const;

const both: OptionTable = {
  "image-path": string("DIR", "where the checkpoint is (default: checkpoint)"),
  "work-path": string("DIR", "where criu writes its log (default: the images' directory)"),
  "tcp-established": flag("with open TCP connections"),
  "ext-unix-sk": flag("with unix sockets that lead out of it"),
  "shell-job": flag("with a terminal of the caller's"),
  "file-locks": flag("with file locks"),
  "lazy-pages": flag("memory is fetched when it is used, by criu lazy-pages"),
  "manage-cgroups-mode": string("MODE", "soft (default), full, strict, props or ignore"),
  "empty-ns": { type: "string", multiple: true, value: "network", help: "without what is in this namespace" },
  "auto-dedup": flag("keep each page once"),
};

/** What engines leave empty was not given. */
const given = (v: Values, name: string): string | undefined => text(v, name) || undefined;

function criuOptions(v: Values): CriuOptions {
  const images = resolve(given(v, "image-path") ?? "checkpoint");
  return {
    images,
    work: resolve(given(v, "work-path") ?? images),
    tcpEstablished: v["tcp-established"] === true,
    extUnixSk: v["ext-unix-sk"] === true,
    shellJob: v["shell-job"] === true,
    fileLocks: v["file-locks"] === true,
    autoDedup: v["auto-dedup"] === true,
    manageCgroups: given(v, "manage-cgroups-mode") ?? "soft",
    emptyNs: (v["empty-ns"] as string[] | undefined) ?? [],
    lazyPages: v["lazy-pages"] === true,
  };
}

function descriptor(v: Values, name: string): number | undefined {
  const word = given(v, name);
  if (word === undefined) return undefined;
  if (!/^\d{1,4}$/.test(word) || Number(word) < 3)
    throw new RuntimeError(`--${name}: ${JSON.stringify(word)} is not the number of an open file, 3 or above`);
  return Number(word);
}

export const criuCommands: Readonly<Record<"checkpoint" | "restore", OciCommand>> = {
  checkpoint: {
    words: "[options] ID",
    summary: "write down a running container, by criu(8), and end it",
    options: {
      ...both,
      "leave-running": flag("and let it run on"),
      "pre-dump": flag("only its memory, while it runs on: for a later checkpoint"),
      "parent-path": string("DIR", "of that one, from the directory of the images"),
      "page-server": string("ADDRESS:PORT", "send memory to criu page-server"),
      "status-fd": string("FD", "where criu says that lazy pages can be fetched"),
    },
    takes: 1,
    perform: async (g, v, [id]) =>
      (await import("./checkpoint.ts")).checkpoint(g, id, {
        ...criuOptions(v),
        leaveRunning: v["leave-running"] === true,
        preDump: v["pre-dump"] === true,
        parent: given(v, "parent-path"),
        statusFd: descriptor(v, "status-fd"),
        pageServer: given(v, "page-server"),
      }),
  },
  restore: {
    words: "[options] ID",
    summary: "make a container again of a checkpoint, and wait for it",
    options: {
      ...both,
      ...pick(bundleOptions, "bundle", "config", "pid-file"),
      "console-socket": string("SOCKET", "who takes the terminal"),
      detach: { type: "boolean", short: "d", help: "do not wait" },
      keep: flag("leave it for delete when it has ended"),
      "lsm-profile": string("TYPE:NAME", "another profile: of apparmor, or another label of selinux"),
      "lsm-mount-context": string("CONTEXT", "another context of mounts, of selinux"),
      "no-subreaper": flag("taken for the sake of engines: its parent is whoever takes orphans"),
      "no-pivot": flag("taken for the sake of engines: criu decides"),
    },
    takes: 1,
    perform: async (g, v, [id]) =>
      (await import("./restore.ts")).restore(g, id, {
        ...criuOptions(v),
        bundle: given(v, "bundle"),
        config: given(v, "config"),
        pidFile: given(v, "pid-file"),
        consoleSocket: given(v, "console-socket"),
        lsmProfile: given(v, "lsm-profile"),
        lsmMountContext: given(v, "lsm-mount-context"),
        detach: v["detach"] === true,
        keep: v["keep"] === true,
      }),
  },
};
