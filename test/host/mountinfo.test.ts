import { expect, test } from "bun:test";
import { fileMounts, mountOf, parseMountinfo } from "../../src/host/mountinfo.ts";

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
