import { AT, AT_FDCWD, LOCK, O, S_IF } from "../../kernel/flags.ts";
import type { SectionBuilder } from "../../program/builder.ts";
import type { Slot } from "../../program/types.ts";
import { buffer, into, type Loose } from "../../program/values.ts";
import { openProc } from "../child.ts";
import { writeFile } from "../context.ts";
import { type Lifecycle, NOTIFY, RUNTIME_FILES } from "./lifecycle.ts";
import { notePlain } from "./plain.ts";

const F = RUNTIME_FILES;
const at = (l: Pick<Lifecycle, "directory">, file: keyof typeof F) => `${l.directory}/${F[file]}`;

/**
 * Making the directory takes the id. The lock is held as long as the container is being made, however that ends: who
 * finds it free, and no first process written down, knows that nobody is at it any more.
 */
export function takeId(s: SectionBuilder, l: Lifecycle): { readonly made: Slot; readonly lock: Slot } {
  const made = s.get(`take the id ${l.id}`, "mkdirat", [AT_FDCWD, l.directory, 0o711]);
  const lock = s.get("open the lock", "openat", [...[AT_FDCWD, at(l, "lock"), O.RDWR | O.CREAT | O.CLOEXEC, 0o600]]);
  s.call("hold the lock", "flock", [lock, LOCK.EX | LOCK.NB]);
  writeFile(s, "write the state", `${at(l, "state")}.new`, l.state, O.WRONLY | O.CREAT | O.EXCL);
  s.call("put the state in its place", "renameat2", [AT_FDCWD, `${at(l, "state")}.new`, AT_FDCWD, at(l, "state"), 0]);
  for (const file of ["go", "done"] as const)
    s.call(`make the FIFO ${file}`, "mknodat", [AT_FDCWD, at(l, file), S_IF.FIFO | 0o600, 0]);
  if (l.notify !== undefined)
    s.call("make the directory for notifications", "mkdirat", [AT_FDCWD, `${l.directory}/${NOTIFY.directory}`, 0o755]);
  return { made, lock };
}

/** Opened for both directions, so that neither opening nor reading ever sees the end of the other side. */
export const openFifo = (s: SectionBuilder, l: Lifecycle, file: "go" | "done"): Slot =>
  s.get(`open the FIFO ${file}`, "openat", [AT_FDCWD, at(l, file), O.RDWR | O.CLOEXEC, 0]);

export const readFifo = (s: SectionBuilder, l: Lifecycle): Slot =>
  s.get("open the FIFO done for reading", "openat", [AT_FDCWD, at(l, "done"), O.RDONLY | O.CLOEXEC, 0]);

/** The container exists from here on: its first process is written down, so that it can be told from a later one. */
export function noteCreated(
  s: SectionBuilder,
  l: Pick<Lifecycle, "directory" | "plain">,
  pid: Slot,
  labels: string,
): void {
  writeFile(s, "write what its last steps are", at(l, "labels"), labels, O.WRONLY | O.CREAT | O.TRUNC);
  const stat = buffer("stat", 1024);
  const directory = openProc(s, pid);
  const read = s.get("open its stat", "openat", [directory, "stat", O.RDONLY | O.CLOEXEC, 0]);
  const length = s.get("read its stat", "read", [read, stat, stat.bytes.length]);
  const write = s.get("open the note", "openat", [
    ...[AT_FDCWD, `${at(l, "init")}.new`, O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC, 0o600],
  ]);
  s.call("note the first process", "write", [write, stat, length]);
  s.call("put the note in its place", "renameat2", [AT_FDCWD, `${at(l, "init")}.new`, AT_FDCWD, at(l, "init"), 0]);
  notePlain(s, l, pid, directory);
  for (const fd of [directory, read, write]) s.call("close what was for that", "close", [fd]);
}

const POWERS = [10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000];

/** The pid in decimal and nothing else: engines read it strictly. Written beside and renamed. */
export function writePidFile(s: SectionBuilder, path: string, pid: Slot): void {
  const digits = buffer("pid", 24);
  s.format(pid, digits, 0);
  const fd = s.get(`open ${path}`, "openat", [
    ...[AT_FDCWD, `${path}.new`, O.WRONLY | O.CREAT | O.TRUNC | O.CLOEXEC, 0o644],
  ]);
  s.call("write the first digit", "write", [fd, digits, 1]);
  POWERS.forEach((power, i) => {
    s.skipIf(pid, "<", power, () => s.call("write the next digit", "write", [fd, into(digits, i + 1), 1]));
  });
  s.call(`close ${path}`, "close", [fd]);
  s.call("put the pid file in its place", "renameat2", [AT_FDCWD, `${path}.new`, AT_FDCWD, path, 0]);
}

export function removeRuntimeState(s: SectionBuilder, l: Lifecycle, made: Loose): void {
  s.skipIf(made, "!=", 0, () => {
    for (const name of [...Object.values(F), `${F.state}.new`, `${F.init}.new`])
      s.call(`remove ${name}`, "unlinkat", [AT_FDCWD, `${l.directory}/${name}`, 0], { ignore: "all" });
    if (l.notify !== undefined)
      for (const [name, flags] of [
        [`${NOTIFY.directory}/${NOTIFY.socket}`, 0],
        [NOTIFY.directory, AT.REMOVEDIR],
      ] as const)
        s.call(`remove ${name}`, "unlinkat", [AT_FDCWD, `${l.directory}/${name}`, flags], { ignore: "all" });
    s.call(`give up the id ${l.id}`, "unlinkat", [AT_FDCWD, l.directory, AT.REMOVEDIR], { ignore: "all" });
  });
}
