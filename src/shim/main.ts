import { parseArgs } from "node:util";
import { put } from "../host/output.ts";
import { VERSION } from "../host/version.ts";

const USAGE = `usage: containerd-shim-caisson-v2 -namespace NAME -id ID -address SOCKET [-bundle DIR] start|delete

containerd starts it: a container whose runtime is io.containerd.caisson.v2 is one of ours.
`;

/** Go's flag package takes one dash or two. */
const twoDashes = (words: readonly string[]) => words.map((w) => (/^-[a-z]/.test(w) ? `-${w}` : w));

const text = { type: "string" } as const;
const flag = { type: "boolean" } as const;
const options = {
  ...{ namespace: text, id: text, address: text, bundle: text, "publish-binary": text, socket: text },
  ...{ debug: flag, v: flag, help: flag, info: flag },
} as const;

async function dispatch(self: readonly string[], args: readonly string[]): Promise<number> {
  if (args[0] === "serve") {
    const [, namespace = "", address = ""] = args;
    return (await import("./serve.ts")).serve({ namespace, address });
  }
  const { values: v, positionals } = parseArgs({ args: twoDashes(args), options, allowPositionals: true });
  const [action] = positionals;
  if (v.info) return (await import("./info.ts")).info(VERSION);
  if (v.v || v.help || action === undefined) {
    put(1, v.v ? `containerd-shim-caisson-v2 ${VERSION}\n` : USAGE);
    return 0;
  }
  const { namespace = "", id = "", address = "", bundle = process.cwd() } = v;
  for (const [name, value] of Object.entries({ namespace, id }))
    if (value === "") throw new Error(`-${name}: required, but missing`);
  const served = { namespace, address };
  if (action === "start")
    return (await import("./start.ts")).start(self, served, {
      ...{ id, bundle, publish: process.env["TTRPC_ADDRESS"] ?? `${address}.ttrpc` },
    });
  if (action === "delete") return (await import("./delete.ts")).cleanUp(served, id, bundle);
  throw new Error(`${JSON.stringify(action)}: start and delete are what containerd asks of a shim`);
}

export async function shimMain(self: readonly string[], args: readonly string[]): Promise<number> {
  try {
    return await dispatch(self, args);
  } catch (e) {
    put(2, `containerd-shim-caisson-v2: ${e instanceof Error ? e.message : String(e)}\n`);
    return 1;
  }
}
