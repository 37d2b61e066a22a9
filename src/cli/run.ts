import { join } from "node:path";
import { compile } from "../compile/compile.ts";
import type { Job, Stdio } from "../compile/job.ts";
import { partsFor } from "../compile/parts.ts";
import { claim } from "../container/claim.ts";
import { notedState } from "../container/noted.ts";
import type { ContainerOptions } from "../container/options.ts";
import { perform, performedFile, performLinked } from "../container/perform.ts";
import { networkAndFiles, type Prepared, prepare } from "../container/prepare.ts";
import { dataDirectory, fileKeys, makePlaceOfData, sweep } from "../container/state.ts";
import { workingDirectory } from "../host/given.ts";
import { places } from "../host/places.ts";
import type { Arch } from "../kernel/arch.ts";
import { encode } from "../program/encode.ts";
import { executor } from "../program/executor.ts";
import { link } from "../program/link.ts";
import type { Program } from "../program/types.ts";
import { checksOf } from "../remember/places.ts";
import { isKept, isToBeKept } from "../remember/seen.ts";
import { InvalidOptionError } from "../values/errors.ts";
import { givenAs, isLasting, isWhereGiven, optionsBefore } from "./lasting.ts";
import type { Values } from "./option-table.ts";
import { toContainerOptions } from "./options.ts";
import { complain, print } from "./output.ts";
import { writeOutput } from "./output-file.ts";
import { commandReport, delegation, detachedGroup } from "./perform.ts";
import { needsUs } from "./syscall-options.ts";

const INHERIT: Stdio = { kind: "inherit" };

function needCommand(command: readonly string[]): void {
  if (command.length === 0) throw new InvalidOptionError("COMMAND", "", "given; for example: caisson run -- make test");
}

/** The terminal's size is the caller's; raw mode only where the caller has one. */
function terminalOf(o: ContainerOptions, attached: boolean): Pick<Job, "terminal"> {
  if (!o.tty) return {};
  const { rows = 24, columns = 80 } = process.stdout;
  return { terminal: { raw: attached && process.stdin.isTTY === true, rows, columns } };
}

async function program(
  p: Prepared,
  command: readonly string[],
  v: Values,
  o: ContainerOptions,
  file: string,
  noted = p,
): Promise<Program> {
  const detach = v["detach"] === true;
  const kept = (detach || o.keep === true) && v["rm"] !== true;
  const log = detach ? join(dataDirectory(p.job.name), "log") : undefined;
  const output: Stdio = log ? { kind: "log", path: log } : INHERIT;
  const stdio: Job["stdio"] = detach ? [{ kind: "null" }, output, output] : [INHERIT, INHERIT, INHERIT];
  const state = await notedState(noted, command, { remove: !kept, ...(log && { log }) });
  const report = commandReport(file, fileKeys(p.job.cgroup), {
    detach,
    explain: !detach,
    data: dataDirectory(p.job.name),
    ...((p.job.cgroup.delegated || state.data?.changes) && { state: state.directory }),
    given: command.length === 0,
  });
  const job = { ...p.job, ...terminalOf(o, !detach), stdio, state, report };
  return compile(p.spec, p.facts, job, await partsFor(job));
}

export async function run(v: Values, command: readonly string[]): Promise<number> {
  needCommand(command);
  const all = toContainerOptions(v);
  // What is removed at the end by this command is not kept until then.
  const o = v["rm"] && (v["json"] || needsUs(v)) ? { ...all, keep: false } : all;
  if (needsUs(v) && v["detach"])
    throw new InvalidOptionError(
      "--detach",
      "true",
      "of use with what needs this command to stay: --answer, --report-blocked, --learn, --view, --date, --network cni",
    );
  if (v["json"]) {
    const library = await import("../container/run.ts");
    const result = await library.run(command, o);
    print(JSON.stringify(result));
    return result.exitCode;
  }
  const others = await sweep();
  const p = await claim(await prepare(o, command));
  for (const line of p.notApplied) complain(`not applied: ${line}`);
  return start(v, command, o, p, others);
}

async function start(
  v: Values,
  command: readonly string[],
  o: ContainerOptions,
  claimed: Prepared,
  others: Awaited<ReturnType<typeof sweep>>,
): Promise<number> {
  await delegation(claimed.job.cgroup);
  const p = v["detach"] ? { ...claimed, job: { ...claimed.job, ...(await detachedGroup()) } } : claimed;
  if (needsUs(v)) return (await import("./run-here.ts")).runHere(p, command, v, terminalOf(o, true));
  if (v["detach"] || o.keep) makePlaceOfData();
  const file = performedFile();
  const options = isLasting(v, p) ? optionsBefore(command) : undefined;
  const given = options && givenAs(options, v, o, workingDirectory());
  const news = given && (await noteOthers(p.facts.arch, others));
  if (!given || (news && isKept(checksOf(given))) || !isToBeKept(checksOf(given)))
    return perform(await program(p, command, v, o, file), file);
  const { forAny, rememberRun } = await import("./remember.ts");
  const { general, noted } = forAny(p, given, isWhereGiven(o));
  const made = await program(general, [], v, o, file, noted);
  const kept = rememberRun(given, general, made, file, v["name"] !== undefined);
  if (!kept) return perform(await program(p, command, v, o, file), file);
  return performLinked(kept.executable, file, { words: command, environment: kept.environment });
}

const noteOthers = async (arch: Arch, others: Awaited<ReturnType<typeof sweep>>) =>
  (await import("../remember/others.ts")).noteOthers(arch, places().state, others);

/** The program of a run, and nothing done. */
export async function explain(v: Values, command: readonly string[]): Promise<number> {
  needCommand(command);
  const o = toContainerOptions(v);
  const p = await prepare(o, command);
  const { explainData, explainText } = await import("../program/explain.ts");
  const made = await program(p, command, v, o, "/dev/shm/caisson-program");
  print(
    v["spec"]
      ? JSON.stringify(p.spec, null, 2)
      : v["json"]
        ? JSON.stringify(explainData(made), null, 2)
        : explainText(made),
  );
  return 0;
}

/** Executor and program in one executable file, which needs nothing else. */
export async function compileToFile(v: Values, command: readonly string[]): Promise<number> {
  needCommand(command);
  const output = v["output"];
  if (typeof output !== "string") throw new InvalidOptionError("--output", "", "given: the file to write");
  const p = await prepare(toContainerOptions(v), command);
  // Its own name would come with this machine's /etc/hosts, which may be another where the file is run.
  const { files: _, ...others } = p.job;
  const { hostname: __, ...spec } = p.spec;
  const own = { ...others, ...networkAndFiles(p.network, p.options, spec) };
  const job: Job = { ...own, stdio: [INHERIT, INHERIT, INHERIT], report: { to: "nobody" } };
  const made = compile(p.spec, p.facts, job, await partsFor(job));
  writeOutput("--output", output, link(executor(), encode(made)), 0o755);
  return 0;
}
