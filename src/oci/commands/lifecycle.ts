import type { Values } from "../../cli/option-table.ts";
import type { Global } from "../context.ts";
import type { CreateOptions } from "../create.ts";
import { bundleOptions, count, text } from "../option-values.ts";
import type { OciCommand } from "./command.ts";

export const createOptions = (v: Values, more: Pick<CreateOptions, "mode" | "keep" | "subreaper">): CreateOptions => ({
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
  const { matching } = await import("../query.ts");
  const failures: unknown[] = [];
  for (const one of matching(g.root, id)) await act(one).catch((e: unknown) => failures.push(e));
  if (failures.length) throw failures[0];
  return 0;
}

/** runtime.md "Operations", and kill and run. */
export const lifecycle: Readonly<Record<string, OciCommand>> = {
  create: {
    words: "[options] ID",
    summary: "create a container: its command waits for start",
    options: {
      ...bundleOptions,
      "no-subreaper": { type: "boolean", help: "taken for the sake of engines: it is none" },
    },
    takes: 1,
    perform: async (g, v, [id]) =>
      (await import("../create.ts")).create(g, id, createOptions(v, { mode: "create", keep: true, subreaper: false })),
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
      (await import("../create.ts")).create(
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
    perform: async (g, _, [id]) => (await import("../start.ts")).start(g, id),
  },
  state: {
    words: "ID",
    summary: "print the state of a container",
    options: {},
    takes: 1,
    perform: async (g, _, [id]) => (await import("../query.ts")).state(g, id),
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
      const { kill } = await import("../kill.ts");
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
      const { remove } = await import("../delete.ts");
      return forEach(g, v, id, (one) => remove(g, one, v["force"] === true));
    },
  },
};
