import { expect, test } from "bun:test";
import { fileMounts, inSight, mountOf, parseMountinfo } from "../../src/host/mountinfo.ts";

const text = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
22 27 0:21 / /proc rw - proc proc rw
30 27 8:1 / /home/a\\040b rw,noexec shared:1 - ext4 /dev/sda rw
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
`;
test("mountinfo with escapes, and the file systems of a view of the root", () => {
  const mounts = parseMountinfo(text);
  expect(fileMounts(mounts).map((m) => m.point)).toEqual(["/home/a b"]);
  expect(mountOf(mounts, "/home/a b/c")?.options).toContain("noexec");
  expect(mountOf(mounts, "/home/a bc")?.point).toBe("/");
});

const seen = (lines: string) =>
  inSight(
    parseMountinfo(
      lines
        .trim()
        .split("\n")
        .map((l) => `${l.trim()} rw - tmpfs none rw`)
        .join("\n"),
    ),
  ).map((m) => `${m.id} ${m.point}`);

test("mounts that others cover are not in sight, nor what is on them", () => {
  const covered = `20 1 0:1 / /
    21 20 0:2 / /mnt/a
    22 21 0:3 / /mnt/a/b
    23 20 0:4 / /mnt
    24 20 0:5 / /mntb
    25 24 0:6 / /mntb
    26 25 0:7 / /mntb/c
    27 20 0:8 / /`;
  expect(seen(covered)).toEqual(["20 /", "23 /mnt", "25 /mntb", "26 /mntb/c"]);
});

test("a mount is behind the one that it is on, however old it is", () => {
  expect(seen("20 20 0:1 / /\n21 22 0:2 / /m/sub\n22 20 0:3 / /m")).toEqual(["20 /", "22 /m", "21 /m/sub"]);
});

test("in a changed root directory the mount that all are on is not listed", () => {
  expect(seen("21 20 0:2 / /proc\n22 21 0:3 / /proc\n23 20 0:4 / /tmp/a\n24 20 0:5 / /tmp")).toEqual([
    "22 /proc",
    "24 /tmp",
  ]);
});
