import { parseArgs } from "node:util";
import { VERSION } from "../host/version.ts";
import { CaissonError, InvalidOptionError } from "../values/errors.ts";
import { commands } from "./commands.ts";
import { type Command, commandHelp, overview } from "./help.ts";
import { toParseArgs } from "./option-table.ts";
import { complain, print } from "./output.ts";

/** As docker run has it for what it fails in itself: a command's own status would not be told from 1. */
const UNEXPECTED = 125;

/** A value that node:util takes for an option: Docker's -1, for no limit. */
const NEGATIVE = /^-\d/;

/** Options end at the first word that is the container's command: what follows belongs to that. */
function split(args: readonly string[], c: Command): [own: string[], rest: string[]] {
  const own: string[] = [];
  const dashes = args.indexOf("--");
  const most = c.own === "all" ? Number.POSITIVE_INFINITY : c.own;
  let words = 0;
  for (let i = 0; i < args.length; i++) {
    const a = args[i] as string;
    if (i === dashes) return c.own === "all" ? [[...own, ...args.slice(i)], []] : [own, args.slice(i + 1)];
    if (!a.startsWith("-") && words++ >= most) return [own, args.slice(i)];
    const long = /^--([^=]+)$/.exec(a)?.[1];
    const row = long
      ? c.options[long]
      : Object.values(c.options).find((r) => r.short !== undefined && a === `-${r.short}`);
    const value = row?.type === "string" && i + 1 < args.length ? args[++i] : undefined;
    if (value !== undefined && NEGATIVE.test(value)) own.push(`${a}${long ? "=" : ""}${value}`);
    else own.push(a, ...(value === undefined ? [] : [value]));
  }
  return [own, []];
}

/** What node:util says of a wrong option, in our words. */
async function parse(name: string, c: Command, own: string[]) {
  const options = { ...toParseArgs(c.options), help: { type: "boolean" as const } };
  const lists = `"caisson ${name} --help" lists the options`;
  try {
    return parseArgs({ args: own, options, allowPositionals: true, strict: true });
  } catch (e) {
    const message = e instanceof Error ? (e.message.split(/\. |\n/)[0] ?? "") : String(e);
    const unknown = /^Unknown option '(.*)'$/.exec(message)?.[1];
    if (unknown === undefined)
      throw new InvalidOptionError(`caisson ${name}`, own.join(" "), `understood: ${message} (${lists})`);
    const { meant } = await import("./meant.ts");
    const known = Object.keys(options).map((o) => `--${o}`);
    throw new InvalidOptionError(`caisson ${name}`, unknown, `an option${meant(unknown, known)} (${lists})`);
  }
}

/** As many as its help names. */
function refuseMore(name: string, c: Command, words: readonly string[]): void {
  const named = c.words.split(" ").filter((w) => w !== "" && w !== "[options]");
  const more = words[named.length];
  if (c.own === "all" && more !== undefined && !named.some((w) => w.includes("…")))
    throw new InvalidOptionError(`caisson ${name}`, more, `of use: it takes ${named.join(" ") || "no words"}`);
}

/** Some commands have two words: "group list". */
function nameIn(args: readonly string[]): [string | undefined, string[]] {
  const [first, second, ...rest] = args;
  const both = `${first} ${second}`;
  if (Object.hasOwn(commands, both)) return [both, rest];
  if (first === undefined || !Object.keys(commands).some((n) => n.startsWith(`${first} `)))
    return [first, args.slice(1)];
  return [second === undefined || second.startsWith("-") ? "help" : both, [first]];
}

/** Those of the same family, or all but the families' members. */
function knownTo(name: string): string[] {
  const family = name.includes(" ") ? name.split(" ")[0] : undefined;
  const names = Object.keys(commands);
  return family
    ? names.filter((n) => n.startsWith(`${family} `))
    : [...new Set(names.map((n) => n.split(" ")[0] ?? n))];
}

async function commandNamed(name: string): Promise<Command> {
  const c = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (c) return c;
  const { meant } = await import("./meant.ts");
  const known = knownTo(name);
  throw new InvalidOptionError("COMMAND", name, `a command${meant(name, known)}; known are ${known.join(", ")}`);
}

async function dispatch(args: readonly string[]): Promise<number> {
  if (args[0] === "oci") return (await import("../oci/main.ts")).ociMain(args.slice(1));
  const [name, rest] = nameIn(args);
  if (name === "__after")
    return (await import("./after.ts")).after(rest[0] ?? "", rest[1] ?? "", rest[2] ?? "", rest[3]);
  if (name === "__resolve") return (await import("../network/resolver/serve.ts")).resolveNetwork(rest[0] ?? "");
  if (name === "--version" || name === "-v") {
    print(`caisson version ${VERSION}`);
    return 0;
  }
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const about = name === "help" && rest.length ? rest.join(" ") : undefined;
    const isOfAll = about === undefined || (knownTo(about).includes(about) && !Object.hasOwn(commands, about));
    print(isOfAll ? overview(commands, about) : commandHelp(about, await commandNamed(about)));
    return 0;
  }
  const c = await commandNamed(name);
  const [own, behind] = split(rest, c);
  const { values, positionals } = await parse(name, c, own);
  if (values["help"]) {
    print(commandHelp(name, c));
    return 0;
  }
  const words = [...positionals, ...behind];
  refuseMore(name, c, words);
  return c.perform(values, words);
}

export async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (e) {
    if (e instanceof CaissonError) {
      complain(e.message);
      return e.exitCode;
    }
    // What the kernel refuses is said by the call and the path; all else is a defect of ours, and the stack says where.
    const refused = e instanceof Error && "syscall" in e;
    complain(e instanceof Error ? ((refused ? undefined : e.stack) ?? e.message) : String(e));
    return UNEXPECTED;
  }
}
