import { statSync } from "node:fs";
import { readOr } from "../host/files.ts";
import { put } from "../host/output.ts";
import type { Global } from "./context.ts";
import { directoryOf, RuntimeError } from "./places.ts";
import { type Container, listIds, load, loadFrom, stateOf, statusOf } from "./state.ts";

const print = (text: string) => put(1, `${text}\n`);

/** runtime.md "query state" */
export function state(g: Global, id: string | undefined): number {
  const c = load(g.root, id);
  print(JSON.stringify(stateOf(c, statusOf(c)), null, 2));
  return 0;
}

/** Ids that a regular expression matches, anywhere in them. */
export function matching(root: string, pattern: string | undefined): string[] {
  if (pattern === undefined) throw new RuntimeError("ID: required, but missing");
  let wanted: RegExp;
  try {
    wanted = new RegExp(pattern);
  } catch {
    throw new RuntimeError(`--regex: ${JSON.stringify(pattern)} is not a regular expression`);
  }
  return listIds(root).filter((id) => wanted.test(id));
}

const pad = (rows: readonly (readonly string[])[]): string => {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((r) => r[i]?.length ?? 0))) ?? [];
  return rows
    .map((r) =>
      r
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
};

function known(g: Global): Container[] {
  return listIds(g.root).flatMap((id) => {
    try {
      return [loadFrom(directoryOf(g.root, id), id)];
    } catch (e) {
      // One that is just being made, or just being removed.
      if (e instanceof RuntimeError) return [];
      throw e;
    }
  });
}

/** The name of whoever made it, as ps(1) would have it; undefined: it is gone. */
function ownerOf(directory: string): string | undefined {
  const uid = statSync(directory, { throwIfNoEntry: false })?.uid;
  const row = readOr("/etc/passwd")
    ?.split("\n")
    .find((line) => line.split(":")[2] === String(uid));
  return row?.split(":")[0] ?? uid?.toString();
}

export function list(g: Global, o: { format: string; quiet: boolean }): number {
  const all = known(g).flatMap((c) => {
    const owner = ownerOf(c.directory);
    return owner === undefined ? [] : [{ ...stateOf(c, statusOf(c)), owner }];
  });
  if (o.quiet) for (const c of all) print(c.id);
  else if (o.format === "json") print(JSON.stringify(all));
  else if (o.format !== "table") throw new RuntimeError(`--format: ${JSON.stringify(o.format)} is not table or json`);
  else
    print(
      pad([
        ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"],
        ...all.map((c) => [c.id, String(c.pid), c.status, c.bundle, c.created, c.owner]),
      ]),
    );
  return 0;
}

/** ps(1) says what there is to say of processes; here are only those of the container. */
export async function ps(
  g: Global,
  id: string | undefined,
  o: { format: string; words: readonly string[] },
): Promise<number> {
  const c = load(g.root, id);
  const { processesOf } = await import("./kill.ts");
  const pids = processesOf(c);
  if (o.format === "json") {
    print(JSON.stringify(pids));
    return 0;
  }
  if (o.format !== "table") throw new RuntimeError(`--format: ${JSON.stringify(o.format)} is not table or json`);
  const { spawnSync } = await import("node:child_process");
  const done = spawnSync("ps", o.words.length ? o.words : ["-ef"], { encoding: "utf8" });
  if (done.status !== 0) throw new RuntimeError(`ps: ${done.error?.message ?? done.stderr.trim()}`);
  const [head = "", ...lines] = done.stdout.split("\n");
  const column = head.trim().split(/\s+/).indexOf("PID");
  if (column < 0) throw new RuntimeError("ps: it was asked for columns without PID");
  const own = lines.filter((l) => pids.includes(Number(l.trim().split(/\s+/)[column])));
  print([head, ...own].join("\n"));
  return 0;
}
