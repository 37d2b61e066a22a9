import { expect, test } from "bun:test";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const why = isRoot ? "" : "needs root";
const note = why && ` (skipped: ${why})`;
const LIMIT = "cat /sys/fs/cgroup/memory.max || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
const inside = (words: readonly string[], script: string) => sh("run", ...words, "--", "sh", "-c", `(${script}) 2>&1`);

test.skipIf(why !== "")(`a container that is limited sees its own groups, and cannot change them${note}`, async () => {
  expect((await inside(["-m", "64M"], LIMIT)).out).toContain(`${64 << 20}\n`);
  expect((await inside(["--pids-limit", "77"], "find /sys/fs/cgroup -name pids.max -exec cat {} +")).out).toBe("77\n");
  const write =
    'cd "$(dirname "$(find /sys/fs/cgroup -name pids.max)")"; mkdir x; echo 9 > pids.max; touch /sys/fs/cgroup/x';
  const { out } = await inside(["--pids-limit", "77"], write);
  expect(out.match(/Read-only file system|Permission denied/g)?.length).toBe(3);
});

test.skipIf(why !== "")(`one that is not sees none${note}`, async () => {
  expect((await inside([], "ls /sys/fs/cgroup")).out).toBe("");
  const shared = await inside(["-m", "64M", "--cgroupns", "host"], "ls /sys/fs/cgroup");
  expect(shared.out).toBe("");
});

test.skipIf(why !== "")(`what manages groups is told there why it cannot${note}`, async () => {
  const { code, out } = await inside(["-m", "256M"], `${caisson} group create x --memory 64M`);
  expect(out).toContain("this container only sees its groups; --cgroups delegate gives it some");
  expect(code).not.toBe(0);
});
