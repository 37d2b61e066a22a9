import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import { type OptionTable, toParseArgs, type Values } from "../cli/option-table.ts";
import { put } from "../host/output.ts";
import { VERSION } from "../host/version.ts";
import { isCode } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import { ociCommands } from "./commands/all.ts";
import type { OciCommand } from "./commands/command.ts";
import { failureStatus, type Global, ownWords } from "./context.ts";
import { checkLog, complain, type Log, logOf } from "./log.ts";
import { defaultRoot, directoryOf, RuntimeError } from "./places.ts";
import { noSuchContainer } from "./state.ts";

const globals: OptionTable = {
  root: { type: "string", value: "DIR", help: "where state is kept" },
  log: { type: "string", value: "FILE", help: "where messages are appended" },
  "log-format": { type: "string", value: "text|json", help: "their format (default text)" },
  "log-level": {
    type: "string",
    value: "LEVEL",
    help: "taken for the sake of engines; errors and warnings are told of",
  },
  debug: { type: "boolean", help: "say what is being done" },
  "systemd-cgroup": { type: "boolean", help: "let systemd make the control groups" },
  "cgroup-manager": { type: "string", value: "cgroupfs|systemd|disabled", help: "who makes the control groups" },
  rootless: { type: "string", value: "auto|true|false", help: "do without control groups" },
  criu: { type: "string", value: "PATH", help: "the criu to use" },
  version: { type: "boolean", short: "v", help: "print the version" },
  help: { type: "boolean", short: "h", help: "print this" },
};

/** "-no-subreaper": as runc's, long options may have one dash, and containerd's restore says that one so. */
const dashed = (word: string, table: OptionTable): string =>
  Object.hasOwn(table, /^-([^-=][^=]+)/.exec(word)?.[1] ?? "") ? `-${word}` : word;

/** Where the options end: at the first word that belongs to none of them. */
function ends(args: readonly string[], table: OptionTable): number {
  for (let i = 0; i < args.length; i++) {
    const a = dashed(args[i] as string, table);
    if (a === "--") return i;
    if (!a.startsWith("-") || a === "-") return i;
    const long = /^--([^=]+)$/.exec(a)?.[1];
    const row = long ? table[long] : Object.values(table).find((r) => r.short !== undefined && a === `-${r.short}`);
    if (row?.type === "string") i++;
  }
  return args.length;
}

/** "--memory -1" is a value to those who give it, but an option to parseArgs: it is made one word. */
function joined(args: readonly string[], table: OptionTable): string[] {
  const out: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const word = dashed(args[i] as string, table);
    const next = args[i + 1];
    const takes = word.startsWith("--") && table[word.slice(2)]?.type === "string";
    if (takes && next?.startsWith("-")) {
      out.push(`${word}=${next}`);
      i++;
    } else out.push(word);
  }
  return out;
}

function parse(what: string, args: readonly string[], table: OptionTable): Values {
  try {
    return parseArgs({ args: joined(args, table), options: toParseArgs(table), allowPositionals: false, strict: true })
      .values;
  } catch (e) {
    throw new RuntimeError(`${what}: ${e instanceof Error ? (e.message.split(/\. |\n/)[0] ?? "") : String(e)}`);
  }
}

const text = (v: Values, name: string): string | undefined => (typeof v[name] === "string" ? v[name] : undefined);

function globalOf(v: Values, log: Log, words: readonly string[]): Global {
  const manager = text(v, "cgroup-manager") ?? "cgroupfs";
  if (!["cgroupfs", "systemd", "disabled"].includes(manager))
    throw new RuntimeError(`--cgroup-manager: ${JSON.stringify(manager)} is not cgroupfs, systemd or disabled`);
  const rootless = text(v, "rootless") ?? "auto";
  if (rootless !== "auto" && rootless !== "true" && rootless !== "false")
    throw new RuntimeError(`--rootless: ${JSON.stringify(rootless)} is not auto, true or false`);
  return {
    root: text(v, "root") || defaultRoot(),
    log,
    systemd: v["systemd-cgroup"] === true || manager === "systemd",
    rootless: manager === "disabled" ? "true" : rootless,
    criu: text(v, "criu") ?? "criu",
    self: ownWords(),
    words,
  };
}

const rows = (table: OptionTable) =>
  Object.entries(table)
    .map(
      ([name, r]) =>
        `${`  ${r.short ? `-${r.short}, ` : "    "}--${name}${r.value ? ` ${r.value}` : ""}`.padEnd(36)}  ${r.help}`,
    )
    .join("\n");

function help(name?: string, c?: OciCommand): string {
  if (c) return `usage: caisson-oci ${name} ${c.words}\n\n${c.summary}\n\n${rows(c.options)}\n`;
  const list = Object.entries(ociCommands).map(([n, x]) => `  ${n.padEnd(12)}${x.summary}`);
  return `usage: caisson-oci [options] COMMAND [options] …\n\n${list.join("\n")}\n\n${rows(globals)}\n`;
}

function commandOf(name: string): OciCommand {
  const c = Object.hasOwn(ociCommands, name) ? ociCommands[name] : undefined;
  if (c) return c;
  throw new RuntimeError(`${JSON.stringify(name)} is not a command; known are ${Object.keys(ociCommands).join(", ")}`);
}

async function dispatch(args: readonly string[], found: (log: Log, name: string) => void): Promise<number> {
  const at = ends(args, globals);
  const v = parse("caisson-oci", args.slice(0, at), globals);
  const log = logOf(v["log"], v["log-format"], v["debug"] === true);
  const name = args[at];
  found(log, name ?? "");
  if (v["version"]) {
    put(1, `caisson-oci version ${VERSION}\nspec: 1.3.0\n`);
    return 0;
  }
  if (v["help"] || name === undefined || (name === "help" && args[at + 1] === undefined)) {
    put(1, help());
    return 0;
  }
  if (name === "help") {
    put(1, help(args[at + 1], commandOf(args[at + 1] as string)));
    return 0;
  }
  const c = commandOf(name);
  checkLog(log);
  const g = globalOf(v, log, args);
  const table: OptionTable = { ...c.options, help: { type: "boolean", short: "h", help: "print this" } };
  const [own, words] = separate(args.slice(at + 1), c, table);
  const values = parse(name, own, table);
  if (values["help"]) {
    put(1, help(name, c));
    return 0;
  }
  if (c.takes !== "rest" && words.length > c.takes)
    throw new RuntimeError(`${name}: ${JSON.stringify(words[c.takes])} is one word too many`);
  try {
    return await c.perform(g, values, words);
  } catch (e) {
    const id = MAKING.includes(name) ? undefined : words[0];
    // Removed since it was looked at.
    if (isMissing(e) && id !== undefined && !existsSync(directoryOf(g.root, id))) throw noSuchContainer(id);
    throw e;
  }
}

const MAKING = ["create", "run", "restore"];

const isMissing = (e: unknown) => !(e instanceof CaissonError) && isCode(e, "ENOENT");

/** Options before the id, and after it where no foreign words can be. */
function separate(args: readonly string[], c: OciCommand, table: OptionTable): [own: string[], words: string[]] {
  const own: string[] = [];
  const words: string[] = [];
  for (let rest = [...args]; rest.length; ) {
    const at = ends(rest, table);
    own.push(...rest.slice(0, at));
    rest = rest.slice(at);
    if (rest[0] === "--") return [own, [...words, ...rest.slice(1)]];
    if (c.takes === "rest") return [own, [...rest.slice(0, 1), ...afterId(rest.slice(1))]];
    words.push(...rest.slice(0, 1));
    rest = rest.slice(1);
  }
  return [own, words];
}
const afterId = (words: readonly string[]) => (words[0] === "--" ? words.slice(1) : words);

export async function ociMain(args: readonly string[]): Promise<number> {
  if (args[0] === "__after") return (await import("./after.ts")).after(args.slice(1));
  let name = "";
  let log: Log = { path: undefined, format: "text", debug: false };
  try {
    return await dispatch(args, (l, n) => {
      log = l;
      name = n;
    });
  } catch (e) {
    if (e instanceof CaissonError) complain(log, e.message);
    else complain(log, e instanceof Error ? (log.debug ? (e.stack ?? e.message) : e.message) : String(e));
    return failureStatus(name);
  }
}
