/** A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export type HostMount = {
  readonly id: string;
  /** The mount that it is on. */
  readonly parent: string;
  readonly point: string;
  /** The directory of the file system that is seen there. */
  readonly root: string;
  readonly type: string;
  readonly options: readonly string[];
  readonly superOptions: readonly string[];
  /** What is mounted is a file by itself, as engines mount /etc/resolv.conf: it cannot be a layer. */
  readonly isFile?: boolean;
  /** It can't be looked at, at least now, or not by this user. */
  readonly isOutOfReach?: boolean;
};

/** Spaces, tabs, newlines and backslashes are written in octal. */
const unquote = (s: string) =>
  s.includes("\\") ? s.replace(/\\([0-7]{3})/g, (_, o: string) => String.fromCharCode(Number.parseInt(o, 8))) : s;

export function parseMountinfo(text: string): HostMount[] {
  const mounts: HostMount[] = [];
  for (const line of text.split("\n")) {
    const fields = line.split(" ");
    const dash = fields.indexOf("-", 6);
    if (dash < 0) continue;
    mounts.push({
      id: fields[0] ?? "",
      parent: fields[1] ?? "",
      root: unquote(fields[3] ?? ""),
      point: unquote(fields[4] ?? ""),
      options: (fields[5] ?? "").split(","),
      type: fields[dash + 1] ?? "",
      superOptions: (fields[dash + 3] ?? "").split(","),
    });
  }
  return mounts;
}

/** Kernel interfaces and other views without files of their own: never a layer of a copy-on-write root. */
const views = new Set(
  "proc sysfs devtmpfs devpts cgroup cgroup2 mqueue hugetlbfs debugfs tracefs securityfs pstore bpf configfs fusectl binfmt_misc autofs rpc_pipefs nsfs efivarfs".split(
    " ",
  ),
);

/** Since which kernel a file system shows mapped ids: mount_setattr(2) "ID-mapped mounts", and the kernel's history. */
const mapping: Readonly<Record<string, readonly [number, number]>> = {
  ext2: [5, 12],
  ext3: [5, 12],
  ext4: [5, 12],
  vfat: [5, 12],
  xfs: [5, 12],
  btrfs: [5, 15],
  f2fs: [5, 18],
  erofs: [5, 19],
  squashfs: [6, 2],
  tmpfs: [6, 3],
  zfs: [6, 0],
  cephfs: [6, 7],
};

export const mapsIds = (facts: { readonly kernel: readonly [number, number] }, type: string): boolean => {
  const since = mapping[type];
  if (!since) return false;
  const [major, minor] = facts.kernel;
  return major > since[0] || (major === since[0] && minor >= since[1]);
};

const below = (path: string, directory: string) => path === directory || path.startsWith(`${directory}/`);

/** Mounts below / whose files belong to a view of the host's root; the last one at a point covers those before. */
export function fileMounts(mounts: readonly HostMount[]): HostMount[] {
  const byPoint = new Map<string, HostMount>();
  for (const m of mounts) byPoint.set(m.point, m);
  return [...byPoint.values()].filter(
    (m) => m.point !== "/" && !views.has(m.type) && !["/proc", "/sys", "/dev", "/run"].some((d) => below(m.point, d)),
  );
}

function isBelowOneOf(points: ReadonlySet<string>, path: string): boolean {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
    if (points.has(path.slice(0, end))) return true;
  return false;
}

/**
 * The mounts that paths lead to, each behind the one that it is on: the kernel lists them by age, also those that later
 * ones cover and those that were moved onto a younger one.
 */
export function inSight(mounts: readonly HostMount[]): HostMount[] {
  const ids = new Set(mounts.map((m) => m.id));
  const on = new Map<string | undefined, HostMount[]>();
  for (const m of mounts) {
    // The first mount of all is its own parent; in a changed root directory the mount that it is on is not listed.
    const parent = m.parent !== m.id && ids.has(m.parent) ? m.parent : undefined;
    const siblings = on.get(parent);
    if (siblings) siblings.push(m);
    else on.set(parent, [m]);
  }
  const seen: HostMount[] = [];
  const add = (siblings: readonly HostMount[]) => {
    const points = new Set(siblings.map((m) => m.point));
    for (const m of siblings) {
      if (isBelowOneOf(points, m.point)) continue;
      const above = on.get(m.id) ?? [];
      const covers = above.filter((o) => o.point === m.point);
      // What is mounted on the root directory covers it for nobody whose root it is already.
      if (covers.length === 0 || m.point === "/") {
        seen.push(m);
        add(above.filter((o) => o.point !== m.point));
      } else add(covers);
    }
  };
  add(on.get(undefined) ?? []);
  return seen;
}

/** The file that is seen there has lost its name; the kernel appends this (d_path() in fs/d_path.c). */
export const isDeleted = (m: HostMount): boolean => m.root.endsWith("//deleted");

/** The mount that a path is on. */
export function mountOf(mounts: readonly HostMount[], path: string): HostMount | undefined {
  let best: HostMount | undefined;
  for (const m of mounts)
    if ((m.point === "/" || below(path, m.point)) && (!best || m.point.length >= best.point.length)) best = m;
  return best;
}
