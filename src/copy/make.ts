import { closeSync, mkdirSync, openSync, symlinkSync } from "node:fs";
import { failureOf } from "../container/failure.ts";
import { AT_FDCWD, CLONE, O } from "../kernel/flags.ts";
import { performSteps } from "../program/steps.ts";
import { inWorker } from "../program/worker.ts";
import { fsPath } from "../values/bytes.ts";
import { isCode } from "../values/code-of.ts";
import { type Entry, pathOf } from "./entry.ts";
import type { Made } from "./tree.ts";

const NEW_FILE = O.WRONLY | O.CREAT | O.EXCL | O.NOFOLLOW;
const [FILE_MODE, DIRECTORY_MODE] = [0o600, 0o700];

/** By this process. */
export async function make(to: Entry, what: Made): Promise<void> {
  if (what.kind === "directory") mkdirSync(pathOf(to), { mode: DIRECTORY_MODE });
  else if (what.kind === "link") symlinkSync(fsPath(what.target), pathOf(to));
  else closeSync(openSync(pathOf(to), NEW_FILE, FILE_MODE));
}

/** By a process that is root in the user namespace of another. */
async function makeAs(pid: number, to: Entry, what: Made): Promise<void> {
  const done = await performSteps((s, program) => {
    inWorker(s, program, "worker in the container's user namespace", (worker) => {
      const directory = `/proc/${process.pid}/fd/${to.at}`;
      const at = worker.get("open the directory", "openat", [AT_FDCWD, directory, O.PATH | O.CLOEXEC, 0]);
      const users = `/proc/${pid}/ns/user`;
      const namespace = worker.get(`open ${users}`, "openat", [AT_FDCWD, users, O.RDONLY | O.CLOEXEC, 0]);
      worker.call("enter it", "setns", [namespace, CLONE.NEWUSER]);
      worker.call("be its root's group", "setresgid", [0, 0, 0]);
      worker.call("be its root", "setresuid", [0, 0, 0]);
      const { name } = to;
      if (what.kind === "directory") worker.call(`make ${name}`, "mkdirat", [at, name, DIRECTORY_MODE]);
      else if (what.kind === "link") worker.call(`make ${name}`, "symlinkat", [what.target, at, name]);
      else worker.call(`make ${name}`, "openat", [at, name, NEW_FILE | O.CLOEXEC, FILE_MODE]);
    });
  });
  if (done.failure) throw failureOf(done.program, done.failure);
}

/** A file system that was mounted in a user namespace takes nothing new from who has no number in it (EOVERFLOW). */
export const makeInside =
  (pid: number) =>
  async (to: Entry, what: Made): Promise<void> => {
    try {
      await make(to, what);
    } catch (e) {
      if (!isCode(e, "EOVERFLOW")) throw e;
      await makeAs(pid, to, what);
    }
  };
