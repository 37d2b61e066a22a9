import { parseArgs } from "node:util";
import { CaissonError, InvalidOptionError } from "../values/errors.ts";
import { commands } from "./commands.ts";
import { type Command, commandHelp, overview } from "./help.ts";
import { toParseArgs } from "./options.ts";
import { complain, print } from "./output.ts";

/** Options end at the first word that is the container's command: what follows belongs to that. */
function split(args: readonly string[], c: Command): [own: string[], rest: string[]] {
  if (c.own === "all") return [[...args], []];
  const dashes = args.indexOf("--");
  let words = 0;
  for (let i = 0; i < args.length; i++) {
    const a = args[i] as string;
    if (i === dashes) return [args.slice(0, i), args.slice(i + 1)];
    if (!a.startsWith("-")) {
      if (words++ < c.own) continue;
      return [args.slice(0, i), args.slice(i)];
    }
    const long = /^--([^=]+)$/.exec(a)?.[1];
    const row = long
      ? c.options[long]
      : Object.values(c.options).find((r) => r.short !== undefined && a === `-${r.short}`);
    if (row?.type === "string") i++;
  }
  return [[...args], []];
}

/** What node:util says of a wrong option, in our words. */
function parse(name: string, c: Command, own: string[]) {
  const options = { ...toParseArgs(c.options), help: { type: "boolean" as const } };
  try {
    return parseArgs({ args: own, options, allowPositionals: true, strict: true });
  } catch (e) {
    const message = e instanceof Error ? (e.message.split(/\. |\n/)[0] ?? "") : String(e);
    throw new InvalidOptionError(
      `caisson ${name}`,
      own.join(" "),
      `understood: ${message} ("caisson ${name} --help" lists the options)`,
    );
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === "__after") return (await import("./after.ts")).after(rest[0] ?? "", rest[1]);
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    const about = name === "help" ? rest[0] : undefined;
    const c = about ? commands[about] : undefined;
    print(c && about ? commandHelp(about, c) : overview(commands));
    return 0;
  }
  const c = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!c) throw new InvalidOptionError("COMMAND", name, `a command; known are ${Object.keys(commands).join(", ")}`);
  const [own, behind] = split(rest, c);
  const { values, positionals } = parse(name, c, own);
  if (values["help"]) {
    print(commandHelp(name, c));
    return 0;
  }
  return c.perform(values, [...positionals, ...behind]);
}

export async function main(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (e) {
    if (!(e instanceof CaissonError)) throw e;
    complain(e.message);
    return e.exitCode;
  }
}
