import { InvalidOptionError } from "../values/errors.ts";
import { checkShape, text } from "../values/shape.ts";

/** Groups that this project makes at the top of a hierarchy begin with this, so that nobody else's is taken for one. */
export const PREFIX = "caisson-";

const part = /^[a-zA-Z0-9_][a-zA-Z0-9_.@:-]{0,127}$/;
/** Names that the kernel keeps for its own files: "cgroup.procs", "memory.max" (cgroup-v2 "Interface Files"). */
const taken =
  /^(cgroup|cpu|cpuset|memory|io|pids|hugetlb|rdma|misc|devices|freezer|blkio|net_cls|net_prio|perf_event|irq)\./;
const files = new Set(["tasks", "notify_on_release", "release_agent"]);

/**
 * The path of a group below the top of each hierarchy. "web" and "web/api" are ours; "/user.slice" is a path as in
 * /proc/PID/cgroup, of whoever made it.
 */
export function groupPath(name: string): string {
  checkShape("group", name, text);
  const absolute = name.startsWith("/");
  const parts = (absolute ? name.slice(1) : name).split("/");
  const right = parts.every((p) => part.test(p) && !taken.test(p) && !files.has(p));
  if (!right)
    throw new InvalidOptionError(
      "group",
      name,
      'a name such as "web" or "web/api" (letters, digits, "_", ".", "-", "@", ":"), or a path such as "/user.slice"',
    );
  return absolute ? name : `/${PREFIX}${name}`;
}

/** The name of a group at a path: short for ours. */
export const nameOf = (path: string): string => (isOurs(path) ? path.slice(1 + PREFIX.length) : path);

export const isOurs = (path: string): boolean => path.startsWith(`/${PREFIX}`);

/** The group that a group is in; "" is the top. */
export const parentOf = (path: string): string => path.slice(0, path.lastIndexOf("/"));

/** "/a/b" → ["/a", "/a/b"] */
export function lineage(path: string): string[] {
  let at = "";
  return path
    .split("/")
    .filter(Boolean)
    .map((part) => {
      at += `/${part}`;
      return at;
    });
}
