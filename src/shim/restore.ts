import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stream, Streams } from "../compile/runtime/lifecycle.ts";
import { readOr } from "../host/files.ts";
import { type Global, ownWords } from "../oci/context.ts";
import type { Exit, Living } from "./process.ts";
import type { CreateRequest } from "./protocol/task_pb.ts";
import { StatusError } from "./ttrpc/status.ts";

/** The directory of what criu wrote down. */
export function checkpointOf(r: CreateRequest): string {
  if (r.terminal) throw new StatusError("unimplemented", "checkpoint: a task with a terminal is not restored");
  if (!existsSync(join(r.checkpoint, "inventory.img")))
    throw new StatusError("invalidArgument", `checkpoint: criu wrote nothing down in ${JSON.stringify(r.checkpoint)}`);
  return r.checkpoint;
}

/**
 * As a keeper opens them, and as it does the child holds the other side of FIFOs that are written to: nobody is waited for,
 * nor is the container ended by SIGPIPE while containerd is away (src/compile/runtime/keeper.ts).
 */
function opened(stdin: Stream | undefined, ...outputs: readonly (Stream | undefined)[]): Opened {
  const all: number[] = [];
  const { O_RDONLY, O_WRONLY, O_NONBLOCK, O_CREAT, O_APPEND } = constants;
  const open = (path: string, flags: number): number => {
    const fd = openSync(path, flags, 0o640);
    all.push(fd);
    return fd;
  };
  const close = () => {
    for (const fd of all.splice(0)) closeSync(fd);
  };
  try {
    const input = stdin && open(stdin.path, O_RDONLY);
    const holders = outputs.flatMap((o) => (o?.kind === "fifo" ? [open(o.path, O_RDONLY | O_NONBLOCK)] : []));
    const fds = outputs.map((o) => o && open(o.path, o.kind === "fifo" ? O_WRONLY : O_WRONLY | O_CREAT | O_APPEND));
    return { stdio: [...[input, ...fds].map((fd) => fd ?? ("ignore" as const)), ...holders], close };
  } catch (e) {
    close();
    throw e;
  }
}
type Opened = { readonly stdio: (number | "ignore")[]; close(): void };

/** What it said last, or how it ended. */
function cause(log: string, child: ChildProcess): string {
  const last = readOr(log)?.trim().split("\n").at(-1);
  return last
    ? (JSON.parse(last) as { msg: string }).msg
    : `restore: it ended with ${child.signalCode ?? child.exitCode}`;
}

const exited = async (child: ChildProcess): Promise<Exit> => {
  const [code] = (await once(child, "exit")) as [number | null];
  if (code === null) throw new Error("it was killed");
  return { status: code, at: Date.now() };
};

/** The runtime's own `restore` makes the container, with the task's streams for its own, and waits for it. */
export async function restoreTask(
  g: Global,
  task: { readonly id: string; readonly bundle: string },
  images: string,
  streams: Streams,
): Promise<Living> {
  const [log, pidFile, work] = NAMES.map((name) => join(task.bundle, name)) as [string, string, string];
  const [first, ...words] = [
    ...ownWords(),
    ...["--root", g.root, "--log", log, "--log-format", "json", "--criu", g.criu, "--rootless", g.rootless],
    ...(g.systemd ? ["--systemd-cgroup"] : []),
    ...["restore", "--bundle", task.bundle, "--image-path", images, "--work-path", work],
    ...["--pid-file", pidFile, "--keep", task.id],
  ] as [string, ...string[]];
  const { stdio, close } = opened(streams.stdin, streams.stdout, streams.stderr);
  const child = spawn(first, words, { stdio, detached: true });
  close();
  const ended = exited(child);
  let over = false;
  const isOver = () => {
    over = true;
  };
  ended.then(isOver, isOver);
  try {
    while (!existsSync(pidFile)) {
      if (over) throw new StatusError("unknown", cause(log, child));
      await sleep(POLL_MS);
    }
    return { pid: Number(readFileSync(pidFile, "utf8")), ended };
  } finally {
    // What criu said of a failure stays, for who looks for it; the bundle is containerd's to delete.
    for (const path of [log, pidFile]) rmSync(path, { force: true });
    if (!over) rmSync(work, { recursive: true, force: true });
  }
}
const NAMES = ["restore-log.json", "restored-pid", "criu-work"];
const POLL_MS = 10;
