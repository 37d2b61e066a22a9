import { statSync } from "node:fs";
import { join } from "node:path";
import { RUNTIME_FILES } from "../../compile/runtime/lifecycle.ts";
import type { Process, Spec } from "../../compile/spec.ts";
import { hostFacts } from "../../host/facts.ts";
import { workingDirectory } from "../../host/given.ts";
import { DIRECTORY, isKeeper } from "../../remember/places.ts";
import { checksOfRuntime, FOR_ONCE, KEPT_AS, verbOf } from "../../remember/runtime-words.ts";
import { pidfdReceiver } from "../annotations.ts";
import type { Bundle } from "../bundle.ts";
import type { Global } from "../context.ts";
import type { CreateOptions } from "../create.ts";
import type { ExecOptions } from "../exec-process.ts";
import { hasWarned } from "../log.ts";
import type { Container } from "../state.ts";
import { isOfPodman } from "./any-order.ts";

/** A word, from 0, that may be another one the next time. */
export type Given = { readonly at: number; readonly text: string; readonly called: "ID" | "PIDFILE" };

/** The id, where it is the last word, and a name for once. In the order of the words. */
export function othersOf(words: readonly string[]): Given[] {
  const [option, last] = [words.indexOf("--pid-file"), words.length - 1];
  const pidFile = option < 0 ? undefined : words[option + 1];
  return [
    ...(pidFile?.startsWith("/") ? [{ at: option + 1, text: pidFile, called: "PIDFILE" } as const] : []),
    ...(verbOf(words) === "exec" ? [] : [{ at: last, text: words[last] as string, called: "ID" } as const]),
  ];
}

/** Whether this command line could be given again without an engine: root's, said in a usual way, with nobody to be told of more than the words say. */
function isForFront(g: Global): boolean {
  const isOurs = isKeeper(hostFacts()) && /caisson-oci[^/]*$/.test(process.execPath);
  if (!isOurs || g.systemd || g.rootless !== "auto" || g.log.debug) return false;
  const { NOTIFY_SOCKET, LISTEN_FDS } = process.env;
  if (NOTIFY_SOCKET || LISTEN_FDS || hasWarned()) return false;
  // Each is given once at most: which one counts is not for the front to know.
  return !FOR_ONCE.some((option) => g.words.filter((w) => w === option).length > 1);
}

/** Where what is kept for this command line is. */
export const checksOfLine = (g: Global): string | undefined =>
  isForFront(g) ? checksOfRuntime(workingDirectory(), g.words) : undefined;

/** The same for a bundle that an engine has made, wherever it gives the line: the front has told. */
export function checksOfBundle(g: Global, o: CreateOptions, spec: Spec): string | undefined {
  const [, first, head] = /^(\d+) +(\d+) *$/.exec(process.env[KEPT_AS] ?? "") ?? [];
  const paths = [g.root, o.bundle, o.pidFile];
  const key = isOfPodman(spec.annotations) ? first : head;
  return key !== undefined && isForFront(g) && isLogGiven(g) && paths.every(isAbsolute)
    ? `${DIRECTORY}/${key}`
    : undefined;
}

/**
 * What must be the same twice in a row before a program is kept: a file that it follows from, and how long the words are that may be
 * others.
 */
export function noteOf(file: string, words: readonly string[]): string {
  const { ino, size, mtimeMs } = statSync(file, { throwIfNoEntry: false }) ?? {};
  return [ino, size, mtimeMs, ...othersOf(words).map((o) => o.text.length)].join(" ");
}

/** A process whose streams are the caller's, and nobody's leave is needed for. */
export const isPlain = (p: Process, o: Pick<CreateOptions, "consoleSocket" | "pidfdSocket" | "preserve">) =>
  !p.terminal &&
  p.apparmorProfile === undefined &&
  p.selinuxLabel === undefined &&
  !o.consoleSocket &&
  !o.pidfdSocket &&
  !o.preserve;

/** Whether all there is to know of its namespaces is in the configuration, and in the files that it names. */
export const isOwn = ({ linux }: Spec): boolean =>
  linux?.seccomp?.listenerPath === undefined &&
  linux?.intelRdt === undefined &&
  !linux?.namespaces?.some((ns) => ns.type === "user") &&
  !Object.keys(linux?.netDevices ?? {}).length;

/** Engines name a bundle by its container: what is said of that is not said again. */
const ENGINES_ID = 12;
export const isOfEngine = (words: readonly string[], id: string): boolean =>
  id.length >= ENGINES_ID && words.some((w, i) => w.includes(id) && !othersOf(words).some((o) => o.at === i));

/** With one letter there is no text to stand for it that could not be another. */
const SHORTEST_ID = 2;
/** What is kept has all of it. */
const LONGEST_TEXT = 1 << 18;
const LOOKED_INTO = /^(r?idmap(=.*)?|tmpcopyup|src-nofollow|copy-symlink)$/;

/** Whether the same words would give the same program again, whatever the id, as long as what looked-at.ts has is the same. */
export const isLasting = (g: Global, o: CreateOptions, { id, text, spec, groups }: Bundle): boolean =>
  g.words.at(-1) === id &&
  id.length >= SHORTEST_ID &&
  text.length <= LONGEST_TEXT &&
  spec.root?.path !== "/" &&
  o.config === undefined &&
  isPlain(spec.process as Process, o) &&
  pidfdReceiver(spec) === undefined &&
  isOwn(spec) &&
  !spec.mounts?.some((m) => m.uidMappings?.length || m.options?.some((w) => LOOKED_INTO.test(w))) &&
  !groups.plan.groups.some((group) => group.existing);

export const initOf = (c: Container): string => join(c.directory, RUNTIME_FILES.init);

/** A log was made absolute already: it was given so if it is among the words. */
const isLogGiven = ({ log: { path }, words }: Global): boolean =>
  path === undefined || words.some((w) => w === path || w === `--log=${path}`);
const isAbsolute = (path: string | undefined) => path === undefined || path.startsWith("/");

/** The same of `exec`, from whatever directory: in a container whose first process is known by its PID namespace. */
export const isLastingExec = (g: Global, { saved: { spec } }: Container, own: Process, o: ExecOptions): boolean =>
  isLogGiven(g) &&
  [g.root, o.process, o.pidFile].every(isAbsolute) &&
  isPlain(own, o) &&
  isOwn(spec) &&
  o.apparmor === undefined &&
  o.label === undefined &&
  !o.ignorePaused &&
  o.cgroup.length === 0 &&
  spec.linux?.namespaces?.some((ns) => ns.type === "pid") === true;
