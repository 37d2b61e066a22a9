import { compileExec } from "../compile/exec.ts";
import type { Job } from "../compile/job.ts";
import type { Process } from "../compile/spec.ts";
import { environmentFor } from "../container/environment.ts";
import { groupsToEnter } from "../container/group-path.ts";
import { checkWorkdir } from "../container/paths.ts";
import { refusePaused } from "../container/paused.ts";
import { perform, performedFile, performLinked } from "../container/perform.ts";
import { type Running, runningContainer } from "../container/state.ts";
import { resolveUser } from "../container/users.ts";
import { hostFacts } from "../host/facts.ts";
import { workingDirectory } from "../host/given.ts";
import { isKind, kindOfProcName, namespaceKinds } from "../namespaces/kinds.ts";
import type { Program } from "../program/types.ts";
import { checksOf } from "../remember/places.ts";
import { isToBeKept } from "../remember/seen.ts";
import { InvalidOptionError, NameError } from "../values/errors.ts";
import { environment } from "./environment.ts";
import { execGivenAs, noteOf } from "./lasting-exec.ts";
import type { Values } from "./option-table.ts";
import { commandReport, delegation, detachedGroup } from "./perform.ts";

/** "network,pid": the kernel's own short names are understood as well. */
function enterOf(v: Values) {
  if (typeof v["namespaces"] !== "string") return {};
  const enter = v["namespaces"].split(",").map((word) => {
    const kind = isKind(word) ? word : kindOfProcName(word);
    if (!kind) throw new InvalidOptionError("--namespaces", word, `some of ${namespaceKinds.join(", ")}`);
    return kind;
  });
  return { enter };
}

/** What the command is to be, but for its words. */
function processOf(c: Running, v: Values): Process {
  const { process: own, root } = c.noted.spec;
  if (!own) throw new NameError(c.noted.name, `the container ${c.noted.name} has no process to take after`);
  const rootPath = root?.path ?? "/";
  const other = typeof v["user"] === "string" ? resolveUser(rootPath, v["user"]) : undefined;
  const { enter } = enterOf(v);
  const usual = enter === undefined || enter.includes("mount") ? own.cwd : workingDirectory();
  return {
    ...own,
    args: [],
    user: other?.ids ?? own.user,
    env: environmentFor(own, rootPath, environment(v), other),
    cwd: typeof v["workdir"] === "string" ? checkWorkdir(v["workdir"]) : usual,
  };
}

type Where = Pick<Job, "cgroup" | "supervisorGroup">;

/** A command of no words is the one that the program is executed with. */
function compileFor(c: Running, v: Values, own: Process, where: Where, file: string): Program {
  const detach = v["detach"] === true;
  const stream = { kind: detach ? "null" : "inherit" } as const;
  const { rows = 24, columns = 80 } = process.stdout;
  const job = {
    name: c.noted.name,
    root: { kind: "directory" },
    scratch: "/",
    directories: {},
    existing: [],
    stdio: [stream, stream, stream],
    ...(v["tty"] && { terminal: { raw: process.stdin.isTTY === true, rows, columns } }),
    init: false,
    idle: false,
    ...enterOf(v),
    timeoutMs: -1,
    ...where,
    report: commandReport(file, [], { detach, explain: false, given: own.args.length === 0 }),
  } as const;
  return compileExec({ ...c.noted.spec, process: own }, hostFacts(), job, c.started.pid);
}

export async function exec(v: Values, name: string, command: readonly string[]): Promise<number> {
  if (command.length === 0) throw new InvalidOptionError("COMMAND", "", "given; for example: caisson exec web sh");
  const c = runningContainer(name);
  if (v["detach"] && v["tty"])
    throw new InvalidOptionError("--tty", "true", "of use where somebody is at it: not with --detach");
  refusePaused(c.noted.name, c.noted.cgroup);
  const own = processOf(c, v);
  const cgroup = groupsToEnter(c.noted.name, c.noted.cgroup);
  await delegation(cgroup);
  const file = performedFile();
  const where = { cgroup, ...(v["detach"] ? await detachedGroup() : {}) };
  const compile = (process: Process) => compileFor(c, v, process, where, file);
  const given = execGivenAs(c, v, command);
  if (given && isToBeKept(checksOf(given), noteOf(c))) {
    const { rememberExec } = await import("./remember-exec.ts");
    const kept = rememberExec(given, c, own, file, compile, where.supervisorGroup);
    if (kept) return performLinked(kept.executable, file, { words: command, environment: kept.environment });
  }
  return perform(compile({ ...own, args: command }), file);
}
