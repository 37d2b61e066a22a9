/** A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export type HostMount = {
  readonly point: string;
  /** The directory of the file system that is seen there. */
  readonly root: string;
  readonly type: string;
  readonly options: readonly string[];
  readonly superOptions: readonly string[];
  /** What is mounted is a file by itself, as engines mount /etc/resolv.conf: it cannot be a layer. */
  readonly isFile?: boolean;
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

/** The mount that a path is on. */
export function mountOf(mounts: readonly HostMount[], path: string): HostMount | undefined {
  let best: HostMount | undefined;
  for (const m of mounts)
    if ((m.point === "/" || below(path, m.point)) && (!best || m.point.length >= best.point.length)) best = m;
  return best;
}
