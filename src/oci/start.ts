import { closeSync, constants, existsSync, openSync, read, readFileSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { FAILURE_RECORD, NOTIFY, RUNTIME_FILES } from "../compile/runtime/lifecycle.ts";
import { isCode } from "../values/code-of.ts";
import type { Global } from "./context.ts";
import { RuntimeError } from "./places.ts";
import { type Container, labelsOf, load, statusOf, wrongStatus } from "./state.ts";

/** What was written by a first process that could not become its command. */
async function failureIn(c: Container, record: Uint8Array): Promise<string> {
  const { failureText } = await import("./after.ts");
  const view = new DataView(record.buffer);
  const [section, step, errno] = [0, 8, 16].map((at) => view.getInt32(at, true)) as [number, number, number];
  const known = labelsOf(c)[String(section)];
  return failureText(known?.labels[step - known.from] ?? `step ${step} of section ${section}`, errno);
}

/** A failure that was noted when the start was performed without an engine: it is told once. */
function readNote(c: Container): Uint8Array | undefined {
  const path = join(c.directory, RUNTIME_FILES.failed);
  if (!existsSync(path)) return undefined;
  const record = new Uint8Array(readFileSync(path));
  rmSync(path);
  return record.length === FAILURE_RECORD ? record : undefined;
}

/**
 * To read from until whoever writes to it is gone. Nobody may be any more, and opening it would wait for somebody: so there is
 * one for a moment, who does not wait either, since there is a reader for a moment.
 */
function openFifo(path: string): number {
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
  const fifo = openSync(path, constants.O_RDONLY);
  for (const fd of [writer, reader]) closeSync(fd);
  return fifo;
}

/** Meanwhile a shim looks after others. */
const readFrom = promisify(read);
const NOT_WAITING = ["ENOENT", "ENXIO"];

/** The FIFO that tells of the end is opened before the byte that starts is written: it cannot be missed. */
async function startAndWait({ root }: Global, c: Container): Promise<string | undefined> {
  const at = (file: "go" | "done") => join(c.directory, RUNTIME_FILES[file]);
  let done: number | undefined;
  try {
    done = openFifo(at("done"));
    const go = openSync(at("go"), constants.O_WRONLY | constants.O_NONBLOCK);
    writeSync(go, "!");
    closeSync(go);
    const record = new Uint8Array(FAILURE_RECORD);
    const { bytesRead } = await readFrom(done, record, 0, record.length, null);
    return bytesRead === 0 ? undefined : await failureIn(c, record);
  } catch (e) {
    // It was started, or ended, since it was looked at.
    if (isCode(e, ...NOT_WAITING)) needCreated(load(root, c.saved.id));
    throw e;
  } finally {
    if (done !== undefined) closeSync(done);
  }
}

function needCreated(c: Container): void {
  const status = statusOf(c);
  if (status === "stopped") throw wrongStatus(c, "cannot start a container that has stopped");
  if (status === "paused") throw wrongStatus(c, "cannot start a container in the paused state");
  if (status !== "created") throw wrongStatus(c, `cannot start an already ${status} container`);
}

/** runtime.md "start": performs startContainer hooks in the container, the command, then poststart hooks out here. */
export async function start(g: Global, id: string | undefined): Promise<number> {
  const c = load(g.root, id);
  const noted = readNote(c);
  if (noted) throw new RuntimeError(`start ${id}: ${await failureIn(c, noted)}`);
  needCreated(c);
  const pass = existsSync(join(c.directory, NOTIFY.directory))
    ? await (await import("./sd-notify.ts")).listening(c)
    : undefined;
  const failed = await startAndWait(g, c);
  if (failed !== undefined) throw new RuntimeError(`start ${id}: ${failed}`);
  for (const file of ["go", "done", "labels"] as const) rmSync(join(c.directory, RUNTIME_FILES[file]), { force: true });
  await poststart(c);
  await pass?.();
  return 0;
}

async function poststart(c: Container): Promise<void> {
  if (!c.saved.spec.hooks?.poststart?.length) return;
  const { performHooks } = await import("./hooks.ts");
  const [wrong] = performHooks(c, "poststart", "running", true);
  if (wrong === undefined) return;
  await (await import("./kill.ts")).killContainer(c);
  throw new RuntimeError(`start ${c.saved.id}: ${wrong}`);
}
