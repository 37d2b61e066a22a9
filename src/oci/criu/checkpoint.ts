import { mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import type { Global } from "../context.ts";
import { remove } from "../delete.ts";
import { homeOf } from "../kill.ts";
import { RuntimeError } from "../places.ts";
import { type Container, load, running } from "../state.ts";
import { converse, FD, KIND } from "./conversation.ts";
import { type CriuOptions, causeIn, criuOptions, findCriu } from "./criu.ts";
import { bindMounts, externalNamespaces, maskedFiles } from "./external.ts";
import { type Request, RequestSchema } from "./protocol/rpc_pb.ts";

export type CheckpointOptions = CriuOptions & {
  readonly leaveRunning: boolean;
  /** What is ended is left for `delete`. */
  readonly keep?: boolean;
  /** Memory only, while it runs on: for a checkpoint that has this as its parent. */
  readonly preDump: boolean;
  readonly parent: string | undefined;
  readonly statusFd: number | undefined;
  readonly pageServer: string | undefined;
};

/** What the standard streams were: whoever restores a container has pipes in the same places. */
export const STREAMS = "descriptors.json";

/** What criu calls a file that is on none of the container's own mounts, such as a FIFO of an engine's. criu(8), --external. */
export const OUTSIDE = /^file\[/;

function streamsOf(pid: number): string[] {
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, "utf8").split("\n");
  const own = new Set(mounts.map((line) => line.split(" ")[0]));
  return [0, 1, 2].map((fd) => {
    const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
    const mount = /^mnt_id:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8"))?.[1];
    if (!link.startsWith("/") || mount === undefined || own.has(mount)) return link;
    const { ino } = statSync(`/proc/${pid}/fd/${fd}`, { bigint: true });
    return `file[${Number(mount).toString(16)}:${ino.toString(16)}]`;
  });
}

function request(c: Container, pid: number, streams: readonly string[], o: CheckpointOptions): Request {
  const { spec, rootfs } = c.saved;
  const external = [
    ...bindMounts(spec, rootfs).map(({ destination }) => `mnt[${destination}]:${destination}`),
    ...maskedFiles(spec, `/proc/${pid}/root`).map((path) => `mnt[${path}]:${path}`),
    ...externalNamespaces(spec).map(({ word, key, path }) => `${word}[${statSync(path).ino}]:${key}`),
    ...streams.filter((key) => OUTSIDE.test(key)),
  ];
  const home = homeOf(c);
  const [address = "", port = ""] = o.pageServer?.split(":") ?? [];
  const opts = {
    ...criuOptions(o, spec),
    ...{ pid, root: rootfs, logFile: "dump.log", external, leaveRunning: o.leaveRunning },
    // The other end of a terminal is held by somebody who is not written down.
    orphanPtsMaster: spec.process?.terminal === true,
    trackMem: o.preDump || o.parent !== undefined,
    ...(home !== undefined && { freezeCgroup: home }),
    ...(o.parent !== undefined && { parentImg: o.parent }),
    ...(o.pageServer !== undefined && { ps: { address, port: Number(port) } }),
    ...(o.statusFd !== undefined && { statusFd: FD.status }),
  };
  return create(RequestSchema, { type: o.preDump ? KIND.PRE_DUMP : KIND.DUMP, opts });
}

/** Whether criu has been told of all there is of it. */
function check(o: CheckpointOptions): void {
  if (o.parent !== undefined && o.parent.startsWith("/"))
    throw new RuntimeError(`--parent-path: ${o.parent} is to be given from the directory of the images: ../first`);
  if (o.parent !== undefined && !statSync(join(o.images, o.parent), { throwIfNoEntry: false })?.isDirectory())
    throw new RuntimeError(`--parent-path: ${join(o.images, o.parent)} is no directory`);
  if (o.pageServer !== undefined && !/^[^:]+:\d+$/.test(o.pageServer))
    throw new RuntimeError(`--page-server: ${JSON.stringify(o.pageServer)} is not of the form ADDRESS:PORT`);
}

/** Writes a container's processes down by criu(8), as files that `restore` makes them from again, here or elsewhere. */
export async function checkpoint(g: Global, id: string | undefined, o: CheckpointOptions): Promise<number> {
  const c = load(g.root, id);
  const { pid } = running(c, "running", "paused");
  check(o);
  const criu = findCriu(g.criu);
  for (const directory of [o.images, o.work]) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const streams = streamsOf(pid);
  const { success } = await converse({
    criu,
    request: request(c, pid, streams, o),
    images: o.images,
    work: o.work,
    status: o.statusFd,
  });
  if (!success) {
    const log = join(o.work, "dump.log");
    throw new RuntimeError(`checkpoint ${id}: criu failed: ${causeIn(log)} (all it said: ${log})`);
  }
  if (o.preDump) return 0;
  writeFileSync(join(o.images, STREAMS), JSON.stringify(streams), { mode: 0o600 });
  if (!o.leaveRunning && !o.keep) await remove(g, id, true);
  return 0;
}
