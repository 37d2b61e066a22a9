import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { places } from "../host/places.ts";
import { isCode } from "../values/code-of.ts";
import type { Ulimit } from "../values/ulimits.ts";
import type { DevicesLimits } from "./controllers/devices.ts";

/** What the kernel keeps no record of: the rlimits of a group, and the rules behind a device filter. */
export type NotedGroup = {
  /** The group's home directory. Its inode is in the file's name: a later group at this path is another. */
  readonly directory: string;
  readonly rlimits?: readonly Ulimit[];
  readonly devices?: DevicesLimits;
  /** It was given a directory in one more hierarchy after it was made. */
  readonly extended?: boolean;
};

const folder = () => `${places().state}/.groups`;

function fileOf(directory: string): string | undefined {
  const stat = statSync(directory, { throwIfNoEntry: false, bigint: true });
  return stat && join(folder(), `${stat.ino}.json`);
}

function read(file: string): NotedGroup | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as NotedGroup;
  } catch (e) {
    if (isCode(e, "ENOENT")) return undefined;
    throw e;
  }
}

/** Whether the group is a container's: nobody else made it, and its end is its supervisor's, who forgets nothing. */
export const isContainers = (name: string): boolean => existsSync(join(places().state, name));

/** One look, where there is nothing. */
export const isAnythingNoted = (): boolean => existsSync(folder());

export function notedOf(directory: string): NotedGroup | undefined {
  if (!isAnythingNoted()) return undefined;
  const file = fileOf(directory);
  const noted = file === undefined ? undefined : read(file);
  return noted?.directory === directory ? noted : undefined;
}

/** Written beside and renamed. What is noted of groups that are no more goes on this occasion. */
export function noteGroup(noted: NotedGroup): void {
  const file = fileOf(noted.directory);
  if (file === undefined) return;
  mkdirSync(folder(), { recursive: true, mode: 0o700 });
  for (const name of readdirSync(folder())) {
    const other = read(join(folder(), name));
    if (other && name.endsWith(".json") && fileOf(other.directory) !== join(folder(), name))
      rmSync(join(folder(), name), { force: true });
  }
  writeFileSync(`${file}.${process.pid}`, JSON.stringify(noted), { mode: 0o600 });
  renameSync(`${file}.${process.pid}`, file);
}

/** The file to forget a group by; asked for while the group is there. */
export function forgetting(directory: string): () => void {
  if (!isAnythingNoted()) return () => {};
  const file = fileOf(directory);
  return () => {
    if (file !== undefined) rmSync(file, { force: true });
    try {
      if (readdirSync(folder()).length === 0) rmSync(folder(), { recursive: true });
    } catch (e) {
      if (!isCode(e, "ENOENT")) throw e;
    }
  };
}
