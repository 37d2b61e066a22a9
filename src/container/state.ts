import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../cgroups/freezer.ts";
import { killAll, signalEach } from "../cgroups/kill.ts";
import { removeTree } from "../cgroups/remove.ts";
import type { CgroupPlan } from "../compile/job.ts";
import type { Connection } from "../compile/network-plan.ts";
import type { Spec } from "../compile/spec.ts";
import { STATE_FILES } from "../compile/state.ts";
import { namesIn, readOr } from "../host/files.ts";
import { type Identity, identityOf, isAlive, isDead, startedMs } from "../host/identity.ts";
import { places } from "../host/places.ts";
import { hostArch } from "../kernel/arch.ts";
import { defaultProfile } from "../seccomp/profile.ts";
import { isCode } from "../values/code-of.ts";
import { NameError } from "../values/errors.ts";
import { type Ending, readEnding, readStarted } from "./record.ts";

/** What is written down of a container when it is made: state.json, whose own time is that of its creation. */
export type Noted = {
  readonly name: string;
  readonly command: readonly string[];
  /** Milliseconds since 1970. Not in the file: a program that is performed again would say when it was compiled. */
  readonly createdAt: number;
  readonly spec: Spec;
  /** Whether the default seccomp profile is to be added to the spec. */
  readonly defaultSeccomp: boolean;
  readonly cgroup: CgroupPlan;
  readonly network?: NotedNetwork;
  /** Its state goes when it ends. */
  readonly remove: boolean;
  readonly log?: string;
  /** Where its changes of the root filesystem are kept. */
  readonly keep?: string;
};

/** The network of a container: its name, and what is removed with it. */
export type NotedNetwork = Connection & {
  readonly name?: string;
  readonly addresses: readonly string[];
  /** It may reach only some of what there is. */
  readonly limited?: boolean;
  /** What its containers see of it, whatever their roots have: /etc/resolv.conf and /etc/hosts. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Ports that were published at the start. */
  readonly ports?: readonly string[];
};

/** "lost": its supervisor was killed. What it left is removed by `sweep`. */
export type Status = "creating" | "running" | "exited" | "lost";

export type Known = {
  readonly noted: Noted;
  readonly status: Status;
  readonly directory: string;
  /** Its supervisor is there: after the end, too, until it has undone all it made. */
  readonly supervised: boolean;
  readonly started?: ReturnType<typeof readStarted>;
  readonly ending?: Ending;
  /** The machine was booted since: what it kept is all that there is. */
  readonly earlier?: true;
};

export const stateDirectory = (name: string): string => join(places().state, name);

function viewOf(file: string | number): DataView {
  const bytes = readFileSync(file);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (e) {
    if (isCode(e, "ENOENT")) return undefined;
    throw e;
  }
}

const view = (path: string): DataView | undefined => ifThere(() => viewOf(path));

/** In digits, as the kernel writes it: some file systems number beyond 2^53. */
export const inodeOf = (path: string): string | undefined =>
  statSync(path, { throwIfNoEntry: false, bigint: true })?.ino.toString();

/** Inodes with a lock held: /proc/locks (proc_locks(5)). The kernel frees a supervisor's lock whichever way it ends. */
function lockedInodes(): Set<string> {
  const lines = readFileSync("/proc/locks", "utf8").split("\n");
  return new Set(lines.flatMap((line) => /FLOCK .* [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line)?.[1] ?? []));
}

export const fileKeys = (plan: CgroupPlan) => plan.groups.flatMap((g) => g.reads.map((r) => r.key));

function withProfile(noted: Noted): Noted {
  if (!noted.defaultSeccomp) return noted;
  const seccomp = defaultProfile(hostArch(), noted.spec.process?.capabilities?.bounding ?? []);
  return { ...noted, spec: { ...noted.spec, linux: { ...noted.spec.linux, seccomp } } };
}

/** proc_pid_cmdline(5), proc_pid_environ(5) */
const strings = (pid: number, file: "cmdline" | "environ"): string[] =>
  readOr(`/proc/${pid}/${file}`)?.split("\0").slice(0, -1) ?? [];

/** A program that is performed for any command has none in its state: the supervisor was executed with its words, and with what is in its environment for once. */
function withGiven(noted: Noted, supervisor: number | undefined): Noted {
  const { process } = noted.spec;
  if (noted.command.length > 0 || supervisor === undefined || !process) return noted;
  const [, ...args] = strings(supervisor, "cmdline");
  const env = [...(process.env ?? []), ...strings(supervisor, "environ")];
  return { ...noted, command: args, spec: { ...noted.spec, process: { ...process, args, env } } };
}

/** What is in a directory: that of its state, or that of what it keeps. */
function notedIn(directory: string): Noted | undefined {
  const file = join(directory, STATE_FILES.state);
  const [json, written] = [view(file), statSync(file, { throwIfNoEntry: false })];
  if (!json || json.byteLength === 0 || !written) return undefined;
  const text = JSON.parse(new TextDecoder().decode(json)) as Omit<Noted, "createdAt">;
  return { ...text, createdAt: Math.round(written.mtimeMs) };
}

/** A name is taken before the place of what is kept is made, and given up after that is removed. */
const isTaken = (name: string): boolean => existsSync(stateDirectory(name));

function readEarlier(name: string): Known | undefined {
  const directory = dataDirectory(name);
  const noted = notedIn(directory);
  if (isTaken(name)) return undefined;
  const ended = view(join(directory, STATE_FILES.ended));
  return (
    noted && {
      ...{ noted: withProfile(noted), directory, supervised: false, earlier: true },
      status: ended ? "exited" : "lost",
      ...(ended && { ending: readEnding(ended, fileKeys(noted.cgroup)) }),
    }
  );
}

function read(name: string, locked: Set<string>): Known | undefined {
  const directory = stateDirectory(name);
  const text = notedIn(directory);
  if (!text) return undefined;
  const started = view(join(directory, STATE_FILES.started));
  const supervisor = started && readStarted(started).supervisor;
  const noted = withGiven(withProfile(text), supervisor);
  const ended = view(join(directory, STATE_FILES.ended));
  // The lock is there as long as the state is: what has gone meanwhile is not lost.
  const lock = inodeOf(join(directory, STATE_FILES.lock));
  if (lock === undefined) return undefined;
  // It is held before the state is there: neither is one that began after the locks were looked at.
  const isHeld = (inodes: Set<string>) => inodes.has(lock);
  const alive = isHeld(locked) || (!ended && isHeld(lockedInodes()));
  return {
    noted,
    directory,
    supervised: alive,
    status: ended ? "exited" : alive ? (started ? "running" : "creating") : "lost",
    ...(started && { started: readStarted(started) }),
    ...(ended && { ending: readEnding(ended, fileKeys(noted.cgroup)) }),
  };
}

export function listContainers(): Known[] {
  const names = namesIn(places().state);
  const taken = new Set(names);
  const earlier = namesIn(places().data).filter((n) => !taken.has(n));
  if (names.length + earlier.length === 0) return [];
  const locked = names.length ? lockedInodes() : new Set<string>();
  return [...names.flatMap((n) => read(n, locked) ?? []), ...earlier.flatMap((n) => readEarlier(n) ?? [])].sort(
    (a, b) => a.noted.createdAt - b.noted.createdAt,
  );
}

/** A container by its name, or by the only beginning of one. */
export function findContainer(name: string): Known {
  const found = findIfThere(name);
  if (!found)
    throw new NameError(
      name,
      `no container is named ${JSON.stringify(name)}; "caisson ps --all" lists those there are`,
    );
  return found;
}

/** undefined if there is none; of several that begin so it is not known which was meant. */
export function findIfThere(name: string): Known | undefined {
  const all = listContainers();
  const exact = all.find((c) => c.noted.name === name);
  const [first, ...more] = name === "" ? [] : all.filter((c) => c.noted.name.startsWith(name));
  if (exact || !more.length) return exact ?? first;
  const names = [first, ...more]
    .map((c) => c?.noted.name)
    .sort()
    .join(", ");
  throw new NameError(name, `several containers have a name that begins with ${JSON.stringify(name)}: ${names}`);
}

export const findExact = (name: string): Known | undefined => listContainers().find((c) => c.noted.name === name);

/** Names come again: the one that is meant has this supervisor, if that is known. */
export function isRunning(name: string, supervisor?: number): boolean {
  const c = findExact(name);
  return c?.status === "running" && (supervisor === undefined || c.started?.supervisor === supervisor);
}

const POLL_MS = 10;

/** How a container ended, and what is left of it, if that was to be kept. "unseen": it was gone before it could be waited for. */
export type Over = { readonly left?: Known; readonly ending?: Ending; readonly unseen?: true };

/** Resolves when it has ended, and all that was made for it is undone. One of its name that comes after it is another. */
export async function untilEnded(c: Known, ms = Number.POSITIVE_INFINITY): Promise<Over> {
  const began = Date.now();
  const { name, createdAt, cgroup } = c.noted;
  const lock = ifThere(() => openSync(join(c.directory, STATE_FILES.lock), "r"));
  try {
    for (;;) {
      const now = findExact(name);
      if (now?.noted.createdAt !== createdAt) {
        if (lock === undefined) return { unseen: true };
        const record = viewOf(lock);
        return record.byteLength ? { ending: readEnding(record, fileKeys(cgroup)) } : {};
      }
      if (!now.supervised && (now.status === "exited" || now.status === "lost"))
        return { left: now, ...(now.ending && { ending: now.ending }) };
      if (Date.now() - began > ms) throw new NameError(name, `the container ${name} is still ${now.status}`);
      await sleep(POLL_MS);
    }
  } finally {
    if (lock !== undefined) closeSync(lock);
  }
}

export type Running = Known & { readonly started: NonNullable<Known["started"]> };

export function runningContainer(name: string): Running {
  const found = findContainer(name);
  if (found.status !== "running" || !found.started)
    throw new NameError(name, `the container ${found.noted.name} is not running: it is ${found.status}`);
  return { ...found, started: found.started };
}

const SIGKILL = 9;

/**
 * Kills the first process of a container whose supervisor was killed, and gives who that was. It ends with the supervisor as a rule;
 * one that undid PR_SET_PDEATHSIG, as to execute a set-user-ID file does too, lives on.
 */
function killOrphan({ status, started }: Known): Identity | undefined {
  const found = status === "lost" && started ? identityOf(started.pid) : undefined;
  if (!found || !started || startedMs(found) > started.sinceBoot || isDead(found)) return undefined;
  signalEach([found.pid], SIGKILL);
  return found;
}

const KILL_MS = 10_000;
const isFreezer = (path: string) => existsSync(`${path}/freezer.state`);

/** Whoever is still in a group of a container that has no supervisor any more ends with it. */
async function removeGroups({ noted }: Known): Promise<void> {
  const left = () => noted.cgroup.groups.map((g) => g.path).filter((path) => !removeTree(path));
  // What is frozen on v1 dies where it can be thawed.
  for (const path of left().sort((a, b) => Number(isFreezer(b)) - Number(isFreezer(a))))
    await killAll(path, isFreezer(path) ? { directory: path, version: "v1" } : undefined, KILL_MS);
  if (!(await until(() => left().length === 0, KILL_MS)))
    throw new NameError(noted.name, `control groups of ${noted.name} are still busy: ${left().join(", ")}`);
}

/** Removes all that is left of a container which is not running: control groups, kept changes, log and state. */
export async function removeContainer(c: Known): Promise<void> {
  if (c.status === "running" || c.status === "creating")
    throw new NameError(c.noted.name, `the container ${c.noted.name} is ${c.status}; --force kills it first`);
  // Its groups, its process and its addresses are others' by now.
  if (c.earlier) return removeData(c.directory);
  await removeGroups(c);
  const orphan = killOrphan(c);
  if (orphan && !(await until(() => !isAlive(orphan), KILL_MS)))
    throw new NameError(c.noted.name, `the first process of ${c.noted.name} does not end: ${orphan.pid}`);
  const { network } = c.noted;
  if (network && c.status === "lost") {
    const [{ performSteps }, { disconnect }] = await Promise.all([
      import("../program/steps.ts"),
      import("../compile/network.ts"),
    ]);
    await performSteps((s) => disconnect(s, network));
  }
  removeLeft(c.directory, dataDirectory(c.noted.name));
}

/** Of a container that was being made when the machine went down, the place of its log may be all there is. Whether there was one. */
export function removeUnknown(name: string): boolean {
  const found = namesIn(places().data).includes(name) && !isTaken(name);
  if (found) removeData(dataDirectory(name));
  return found;
}

/** All that is left of one, after its end or its failure: its name goes last. */
export function removeLeft(directory: string, data: string): void {
  removeData(data);
  rmSync(directory, { recursive: true, force: true });
}

/** What a supervisor leaves to whoever has a file system at hand: the groups that a delegated container made, and changes that are not kept. */
export async function finishNoted(directory: string, data: string): Promise<void> {
  const noted = notedIn(directory);
  if (!noted) return;
  const { cgroup, remove } = noted;
  const gone = () => cgroup.groups.map(({ path }) => removeTree(path)).every(Boolean);
  if ((await until(gone, LEFT_MS)) && remove) removeLeft(directory, data);
}
const LEFT_MS = 2000;

/** Where a container's log and its kept changes are. */
export const dataDirectory = (name: string): string => join(places().data, name);
export const changesDirectory = (name: string): string => join(dataDirectory(name), "changes");

/** Where the places of all containers are. Those themselves are made once their names are taken. */
export const makePlaceOfData = (): unknown => mkdirSync(places().data, { recursive: true, mode: 0o700 });

/** Removes them once the container is no more. What its user cannot reach (a home directory of another's) was never made. */
export function removeData(directory: string): void {
  if (existsSync(directory)) rmSync(directory, { recursive: true, force: true });
}

const HALF_MADE_MS = 1000;

/** Of who was killed after taking the name and before it was noted what for. That of a moment ago may be about to have that. */
function isHalfMade(directory: string, locked: Set<string>): boolean {
  const lock = inodeOf(join(directory, STATE_FILES.lock));
  const made = statSync(directory, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
  return !(lock && locked.has(lock)) && Date.now() - made >= HALF_MADE_MS;
}

/** Removes what killed supervisors left of containers that nobody asked to keep. Which are there still. */
export async function sweep(): Promise<readonly Pick<Known, "directory" | "status">[]> {
  // What begins with a dot is no container's, and stays: notes of groups are there.
  const names = namesIn(places().state).filter((name) => !name.startsWith("."));
  if (names.length === 0) return [];
  const locked = lockedInodes();
  const left: Pick<Known, "directory" | "status">[] = [];
  for (const name of names) {
    const c = read(name, locked);
    const directory = stateDirectory(name);
    if (c?.status === "lost" && c.noted.remove) await removeContainer(c);
    else if (!c && isHalfMade(directory, locked)) rmSync(directory, { recursive: true, force: true });
    else {
      if (c) killOrphan(c);
      left.push({ directory, status: c?.status ?? "creating" });
    }
  }
  return left;
}
