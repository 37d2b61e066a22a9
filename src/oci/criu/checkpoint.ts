import { spawnSync } from "node:child_process";
import { mkdirSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Global } from "../context.ts";
import { remove } from "../delete.ts";
import { homeOf } from "../kill.ts";
import { RuntimeError } from "../places.ts";
import { type Container, load, running } from "../state.ts";
import { type CriuOptions, causeIn, criuWords, findCriu } from "./criu.ts";
import { bindMounts, externalNamespaces, maskedFiles } from "./external.ts";

export type CheckpointOptions = CriuOptions & {
  readonly leaveRunning: boolean;
  /** Memory only, while it runs on: for a checkpoint that has this as its parent. */
  readonly preDump: boolean;
  readonly parent: string | undefined;
  readonly statusFd: number | undefined;
  readonly pageServer: string | undefined;
};

/** What the standard streams were: whoever restores a container has pipes in the same places. */
export const STREAMS = "descriptors.json";

const streamsOf = (pid: number): string[] => [0, 1, 2].map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));

function words(c: Container, pid: number, o: CheckpointOptions): string[] {
  const { spec, rootfs } = c.saved;
  const external = [
    ...bindMounts(spec).map(({ destination }) => `mnt[${destination}]:${destination}`),
    ...maskedFiles(spec, `/proc/${pid}/root`).map((path) => `mnt[${path}]:${path}`),
    ...externalNamespaces(spec).map(({ word, key, path }) => `${word}[${statSync(path).ino}]:${key}`),
  ];
  const home = homeOf(c);
  const [host = "", port = ""] = o.pageServer?.split(":") ?? [];
  return [
    ...[o.preDump ? "pre-dump" : "dump", "--tree", String(pid), "--root", rootfs, "--log-file", "dump.log"],
    ...criuWords(o),
    ...external.flatMap((e) => ["--external", e]),
    ...(home === undefined ? [] : ["--freeze-cgroup", home]),
    ...(o.leaveRunning ? ["--leave-running"] : []),
    ...(o.preDump || o.parent !== undefined ? ["--track-mem"] : []),
    ...(o.parent === undefined ? [] : ["--prev-images-dir", o.parent]),
    ...(o.pageServer === undefined ? [] : ["--page-server", "--address", host, "--port", port]),
    ...(o.statusFd === undefined ? [] : ["--status-fd", String(o.statusFd)]),
  ];
}

/** Whether criu has been told of all there is of it. */
function check(c: Container, o: CheckpointOptions): void {
  if (c.saved.spec.process?.terminal)
    throw new RuntimeError(
      "process.terminal: a terminal can't be checkpointed: its other end is held by somebody else",
    );
  if (o.parent !== undefined && o.parent.startsWith("/"))
    throw new RuntimeError(`--parent-path: ${o.parent} is to be given from the directory of the images: ../first`);
  if (o.pageServer !== undefined && !/^[^:]+:\d+$/.test(o.pageServer))
    throw new RuntimeError(`--page-server: ${JSON.stringify(o.pageServer)} is not of the form ADDRESS:PORT`);
}

/** Writes a container's processes down by criu(8), as files that `restore` makes them from again, here or elsewhere. */
export async function checkpoint(g: Global, id: string | undefined, o: CheckpointOptions): Promise<number> {
  const c = load(g.root, id);
  const { pid } = running(c, "running");
  check(c, o);
  const criu = findCriu(g.criu);
  for (const directory of [o.images, o.work]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const streams = streamsOf(pid);
  const list = words(c, pid, o);
  const { status, signal } = spawnSync(criu, list, { stdio: ["ignore", "ignore", "inherit", ...passed(o.statusFd)] });
  if (status !== 0) {
    const log = join(o.work, "dump.log");
    throw new RuntimeError(
      `checkpoint ${id}: criu ${status === null ? `was ended by ${signal}` : "failed"}: ${causeIn(log)} (all it said: ${log})`,
    );
  }
  if (o.preDump) return 0;
  writeFileSync(join(o.images, STREAMS), JSON.stringify(streams), { mode: 0o600 });
  if (!o.leaveRunning) await remove(g, id, true);
  return 0;
}

const passed = (fd: number | undefined): number[] =>
  fd === undefined ? [] : Array.from({ length: fd - 2 }, (_, i) => i + 3);
