import { existsSync, mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { create } from "@bufbuild/protobuf";
import { until } from "../../cgroups/freezer.ts";
import { removeTree } from "../../cgroups/remove.ts";
import { RUNTIME_FILES } from "../../compile/runtime/lifecycle.ts";
import { noteCreated, writePidFile } from "../../compile/runtime/state.ts";
import { failureOf } from "../../container/failure.ts";
import { PASSED_ON } from "../../kernel/signals.ts";
import { performSteps } from "../../program/steps.ts";
import { addressOf } from "../../program/values.ts";
import { type Bundle, readBundle } from "../bundle.ts";
import type { Global } from "../context.ts";
import { checkConsole } from "../create.ts";
import { remove } from "../delete.ts";
import { RuntimeError } from "../places.ts";
import { bigintText, plainOf } from "../saved.ts";
import { load } from "../state.ts";
import { OUTSIDE, STREAMS } from "./checkpoint.ts";
import { converse, handOver, KIND } from "./conversation.ts";
import { type CriuOptions, causeIn, criuOptions, findCriu } from "./criu.ts";
import { bindMounts, type ExternalNamespace, externalNamespaces, maskedFiles } from "./external.ts";
import { restoredHooks } from "./hooks.ts";
import { type Request, RequestSchema } from "./protocol/rpc_pb.ts";
import { handNamespaces, prepareRestore } from "./surroundings.ts";

export type RestoreOptions = CriuOptions & {
  readonly bundle: string | undefined;
  readonly config: string | undefined;
  readonly pidFile: string | undefined;
  /** Who takes the terminal. */
  readonly consoleSocket: string | undefined;
  readonly detach: boolean;
  readonly keep: boolean;
  readonly lsmProfile: string | undefined;
  readonly lsmMountContext: string | undefined;
};

/** Where criu finds the root: a mount of its own, in the launcher's mount namespace. */
const ROOT = "criu-root";
/** Namespaces from outside are passed from this number on. */
const FIRST_FD = 20;

const streamsIn = (images: string): string[] => {
  const path = join(images, STREAMS);
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as string[]) : [];
};

function request(b: Bundle, o: RestoreOptions, namespaces: readonly ExternalNamespace[]): Request {
  const external = [
    ...bindMounts(b.spec, b.saved.rootfs).map(({ destination, source }) => `mnt[${destination}]:${source}`),
    ...maskedFiles(b.spec, "").map((path) => `mnt[${path}]:/dev/null`),
  ];
  const streams = streamsIn(o.images).flatMap((key, fd, all) =>
    (/^(pipe|socket):/.test(key) || OUTSIDE.test(key)) && all.indexOf(key) === fd ? [{ fd, key }] : [],
  );
  const opts = {
    ...criuOptions(o, b.spec),
    ...{ root: join(b.directory, ROOT), logFile: "restore.log", notifyScripts: true, external },
    inheritFd: [...streams, ...namespaces.map(({ key }, i) => ({ key, fd: FIRST_FD + i }))],
    cgRoot: [{ path: b.place.path }],
    orphanPtsMaster: b.spec.process?.terminal === true,
    ...(o.lsmProfile !== undefined && { lsmProfile: o.lsmProfile }),
    ...(o.lsmMountContext !== undefined && { lsmMountContext: o.lsmMountContext }),
  };
  return create(RequestSchema, { type: KIND.RESTORE, opts });
}

/** Gives up all that was made for a container that could not be restored. */
async function undo(b: Bundle): Promise<void> {
  const made = b.groups.plan.groups.filter((g) => !g.existing);
  await until(() => made.every(({ path }) => removeTree(path)), REMOVE_MS);
  rmSync(b.directory, { recursive: true, force: true });
}
const REMOVE_MS = 2000;

/** The first process is written down, as `create` does it, but nothing waits for a start. */
async function note(b: Bundle, o: RestoreOptions, pid: number): Promise<void> {
  const lifecycle = {
    directory: b.directory,
    ...plainOf(o.detach ? "detached" : "attached", b.facts, b.saved, b.groups, b.directory),
  };
  const done = await performSteps((s, program) => {
    const slot = program.slot("pid");
    s.let(slot, pid);
    noteCreated(s, lifecycle, slot, "{}");
    if (o.pidFile !== undefined) writePidFile(s, resolve(o.pidFile), slot);
  });
  if (done.failure) throw failureOf(done.program, done.failure);
  rmSync(join(b.directory, RUNTIME_FILES.labels), { force: true });
}

async function start(criu: string, b: Bundle, o: RestoreOptions): Promise<number> {
  const namespaces = externalNamespaces(b.spec);
  const root = join(b.directory, ROOT);
  mkdirSync(b.directory, { mode: 0o711 });
  mkdirSync(root, { mode: 0o700 });
  // Before anything is made: who is killed from here on leaves something that `delete --force` removes.
  const state = join(b.directory, RUNTIME_FILES.state);
  writeFileSync(`${state}.new`, JSON.stringify(b.saved, bigintText), { mode: 0o600 });
  renameSync(`${state}.new`, state);
  let wrong: string | undefined;
  const { success, restore } = await converse({
    ...{ criu, images: o.images, work: o.work, request: request(b, o, namespaces) },
    before: (s, program) => prepareRestore(b, s, program, root),
    become: (s) => handNamespaces(s, namespaces, FIRST_FD),
    async at({ name, pid, fd }) {
      if (name === "setup-namespaces") wrong = restoredHooks(b, pid);
      if (name === "orphan-pts-master" && fd !== undefined && o.consoleSocket !== undefined)
        await handOver(fd, resolve(o.consoleSocket));
      return wrong === undefined;
    },
  });
  rmdirSync(root);
  if (wrong !== undefined) throw new RuntimeError(`restore ${b.id}: ${wrong}`);
  if (!success || !restore) {
    const log = join(o.work, "restore.log");
    throw new RuntimeError(`restore ${b.id}: criu failed: ${causeIn(log)} (all it said: ${log})`);
  }
  await note(b, o, restore.pid);
  return restore.pid;
}

/** The launcher is its parent, and waits for it; what this process is sent is for the container. */
async function wait(pid: number): Promise<number> {
  for (const signal of PASSED_ON) process.on(signal, () => process.kill(pid, signal));
  for (;;) {
    const done = await performSteps((s, program) => {
      const status = program.slot("wait status");
      s.let(status, 0);
      s.call("wait for the container", "wait4", [pid, addressOf(status), 0, 0]);
      return status;
    });
    if (done.failure) throw failureOf(done.program, done.failure);
    const status = done.value(done.made);
    const signal = status & 0x7f;
    if (signal !== STOPPED) return signal ? 128 + signal : (status >> 8) & 0xff;
  }
}
/** It made its parent its tracer (PTRACE_TRACEME), and has not ended. */
const STOPPED = 0x7f;

/** Makes a container again of what `checkpoint` wrote down, by criu(8), with the limits and mounts of the bundle. */
export async function restore(g: Global, id: string | undefined, o: RestoreOptions): Promise<number> {
  if (!existsSync(join(o.images, "inventory.img")))
    throw new RuntimeError(`--image-path: ${o.images} has no checkpoint in it`);
  const criu = findCriu(g.criu);
  const b = await readBundle(g, id, o, (spec) => {
    checkConsole(spec.process?.terminal === true, o.consoleSocket, true);
    externalNamespaces(spec);
  });
  mkdirSync(o.work, { recursive: true, mode: 0o700 });
  mkdirSync(g.root, { recursive: true, mode: 0o711 });
  let pid: number;
  try {
    pid = await start(criu, b, o);
  } catch (e) {
    await undo(b);
    throw e;
  }
  if (o.detach) return 0;
  const code = await wait(pid);
  if (!o.keep) await remove(g, load(g.root, id).saved.id, true);
  return code;
}
