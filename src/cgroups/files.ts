import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeSync,
} from "node:fs";
import { entriesOf } from "../host/files.ts";
import { reach } from "../host/reach.ts";
import type { Errno } from "../kernel/errno.ts";
import { codeOf, isCode } from "../values/code-of.ts";
import { CaissonError } from "../values/errors.ts";
import type { AnyController, Files } from "./controller.ts";
import { type Hierarchy, hierarchyOf, homeOf, type Layout } from "./layout.ts";

/** The kernel refused something of a control group: which file, what text, which errno. */
export class ControlGroupError extends CaissonError {
  override readonly name = "ControlGroupError";
  readonly path: string;
  readonly text: string | undefined;
  readonly errno: Errno | undefined;

  constructor(message: string, facts: { path: string; text?: string; errno?: string | undefined }) {
    super(message);
    this.path = facts.path;
    this.text = facts.text;
    this.errno = facts.errno as Errno | undefined;
  }
}

/** What EROFS means: the groups are shown to a container that has limits. */
export const ONLY_SEEN = "this container only sees its groups; --cgroups delegate gives it some";

/** What an errno means in a control group's file system. */
function hint(code: string | undefined, path: string, text: string): string {
  if (code === "EBUSY" && path.endsWith("subtree_control"))
    return " (the group has processes of its own: on v2 only groups without may have controllers for their children)";
  if (code === "ENOENT" && path.endsWith("subtree_control"))
    return " (the group was not given this controller: systemd delegates those that it knows itself, and hugetlb, rdma and misc are not among them)";
  if (code === "EBUSY" && path.endsWith("cgroup.procs"))
    return " (the group gives controllers to its children: on v2 such a group has no processes of its own)";
  if (code === "EBUSY" && path.includes("memory")) return " (more is in use and could not be reclaimed)";
  if (code === "ENODEV") return " (no such device, or the CPUs asked for are not the parent's)";
  if (code === "ESRCH") return ` (no process ${text})`;
  if (code === "EOPNOTSUPP" || code === "ENOTSUP") return " (the group is threaded, or not valid as a domain)";
  if (code === "EINVAL") return " (the kernel does not take this value here)";
  if (code === "EACCES" || code === "EPERM") return " (not allowed to this user)";
  if (code === "EROFS") return ` (${ONLY_SEEN})`;
  return "";
}

/** The content, `undefined` where there is no such file or it cannot be read in this state. */
export function readOptional(path: string): string | undefined {
  try {
    // Asked first: an exception costs several times a look.
    return reach(path, (p) => (existsSync(p) ? readFileSync(p, "utf8") : undefined));
  } catch (e) {
    // Bun says ENOTSUP, which is the same number.
    if (isCode(e, "ENOENT", "ENODEV", "EOPNOTSUPP", "ENOTSUP", "EINVAL", "EACCES", "EISDIR")) return undefined;
    throw e;
  }
}

/** One write(2): files of the kernel take a value as a whole. */
export function writeFile(path: string, text: string): void {
  let fd: number | undefined;
  try {
    fd = reach(path, (p) => openSync(p, constants.O_WRONLY));
    writeSync(fd, text);
  } catch (e) {
    const errno = codeOf(e);
    throw new ControlGroupError(`write ${JSON.stringify(text.trim())} to ${path}: ${errno}${hint(errno, path, text)}`, {
      path,
      text,
      errno,
    });
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

export function isDirectory(path: string): boolean {
  try {
    return reach(path, (p) => statSync(p, { throwIfNoEntry: false })?.isDirectory() === true);
  } catch (e) {
    // Of a path that is longer than the kernel takes: what it leads through is gone.
    if (isCode(e, "ENOENT")) return false;
    throw e;
  }
}

/** Makes one group. `false`: it was there. */
export function makeDirectory(path: string): boolean {
  try {
    reach(path, (p) => mkdirSync(p, 0o755));
    return true;
  } catch (e) {
    const errno = codeOf(e);
    if (errno === "EEXIST") return false;
    const full = errno === "EAGAIN" ? " (cgroup.max.depth or cgroup.max.descendants is reached)" : "";
    const why = errno === "EROFS" ? ` (${ONLY_SEEN})` : full;
    throw new ControlGroupError(`make the control group ${path}: ${errno}${why}`, { path, errno });
  }
}

/** Removes a group; `true` if it is gone, `false` if it is busy. Where most are not there, a look costs less than an exception. */
export function removeDirectory(path: string, isThere = isDirectory(path)): boolean {
  if (!isThere) return true;
  try {
    reach(path, (p) => rmdirSync(p));
    return true;
  } catch (e) {
    const errno = codeOf(e);
    if (errno === "ENOENT") return true;
    if (errno === "EBUSY") return false;
    throw new ControlGroupError(`remove the control group ${path}: ${errno}`, { path, errno });
  }
}

/** The groups directly below a directory. */
export function subgroups(path: string): string[] {
  try {
    return reach(path, entriesOf)
      .filter((e) => e.isDirectory())
      .map((e) => e.name);
  } catch (e) {
    if (isCode(e, "ENOENT")) return [];
    throw e;
  }
}

/** All groups below a directory, children before their parents. */
export function descendants(directory: string): string[] {
  const found: string[] = [];
  const ahead = [directory];
  for (let above = ahead.pop(); above !== undefined; above = ahead.pop()) {
    const below = subgroups(above).map((name) => `${above}/${name}`);
    found.push(...below);
    ahead.push(...below);
  }
  return found.reverse();
}

/** On v1 all groups of a hierarchy but its top have the same files; on v2 it depends on the controllers given. */
const known = new Map<string, ReadonlySet<string>>();
function filesIn(h: Hierarchy, directory: string): ReadonlySet<string> {
  const cached = known.get(h.point);
  if (cached) return cached;
  const names = new Set(readdirSync(directory));
  if (h.version === "v1") known.set(h.point, names);
  return names;
}

/**
 * The files of the group at `path` below the tops, for one controller; `undefined` if its hierarchy has no such group.
 * `there` are its directories, where they are known already.
 */
export function filesOf(
  layout: Layout,
  path: string,
  c: AnyController,
  there?: ReadonlySet<string>,
): Files | undefined {
  const own = hierarchyOf(layout, c);
  if (!own || !(there ? there.has(own.top + path) : isDirectory(own.top + path))) return undefined;
  const home = homeOf(layout);
  const names = filesIn(own, own.top + path);
  return {
    version: own.version,
    read: (file) => (names.has(file) ? readOptional(`${own.top}${path}/${file}`) : undefined),
    below: (file) => descendants(own.top + path).map((directory) => readOptional(`${directory}/${file}`)),
    home: (file) => (home?.version === "v2" ? readOptional(`${home.top}${path}/${file}`) : undefined),
    other: (controller, file) => {
      const point = layout.v1[controller];
      return point === undefined ? undefined : readOptional(`${point}${path}/${file}`);
    },
  };
}
