import { expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { container, run } from "../../src/index.ts";
import { rounds } from "../helpers/emulated.ts";
import { isRoot } from "../helpers/machine.ts";
import { eachStepFails } from "../helpers/undo.ts";

/** The network namespace is made by the supervisor, while the first process mounts. */
const rooted = test.skipIf(!isRoot);
const namespaceOf = (pid: number) => readlinkSync(`/proc/${pid}/ns/net`);

rooted("the supervisor is back in the host's network namespace, and the container is in its own", async () => {
  await using box = await container();
  const supervisor = Number(/^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${box.pid}/status`, "utf8"))?.[1]);
  expect(namespaceOf(supervisor)).toBe(namespaceOf(process.pid));
  expect(namespaceOf(box.pid)).not.toBe(namespaceOf(process.pid));
});

rooted("nothing of a descriptor that led there is left to the command", async () => {
  const r = await run(["sh", "-c", "ls /proc/self/fd"]);
  expect(r.stdout).toBe("0\n1\n2\n3\n");
});

rooted("sysfs shows the container's interfaces, read-only, and what is masked in it is", async () => {
  const r = await run(["sh", "-c", "ls /sys/class/net; touch /sys/x; ls /sys/firmware | wc -l; ls -d /sys/kernel"]);
  expect(r.stdout).toBe("lo\n0\n/sys/kernel\n");
  expect(r.stderr).toContain("Read-only file system");
});

/** A root filesystem that is written to, and has nothing in its /sys. */
async function withEmptySys(use: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "caisson-test-"));
  for (const d of ["bin", "sys", "proc", "dev"]) mkdirSync(join(root, d));
  cpSync("/bin/busybox", join(root, "bin/busybox"));
  for (const name of ["sh", "ls"]) symlinkSync("busybox", join(root, "bin", name));
  try {
    await use(root);
    expect(readdirSync(join(root, "sys"))).toEqual([]);
  } finally {
    rmSync(root, { recursive: true });
  }
}

rooted("what is asked for in sysfs is sysfs's own: nothing is made below it", () =>
  withEmptySys(async (rootfs) => {
    const there = await run(["sh", "-c", "pwd; ls -d ../class"], { rootfs, workdir: "/sys/kernel" });
    expect(there).toMatchObject({ stdout: "/sys/kernel\n../class\n", exitCode: 0 });
    mkdirSync(join(rootfs, "shown/there"), { recursive: true });
    const volumes = { "/sys/kernel": join(rootfs, "shown") };
    expect(await run(["ls", "/sys/kernel"], { rootfs, volumes })).toMatchObject({ stdout: "there\n", exitCode: 0 });
  }),
);

rooted("sysctls of the network are the container's", async () => {
  const name = "net.ipv4.ping_group_range";
  const before = (await Bun.file("/proc/sys/net/ipv4/ping_group_range").text()).trim();
  const r = await run(["cat", "/proc/sys/net/ipv4/ping_group_range"], { sysctls: { [name]: "7 8" } });
  expect(r.stdout).toBe("7\t8\n");
  expect((await Bun.file("/proc/sys/net/ipv4/ping_group_range").text()).trim()).toBe(before);
});

rooted(
  "each step that makes it, and that waits for it, fails in turn, and nothing is left",
  async () => {
    const labels = /network namespace|loopback|socket|supervisor|sys/;
    expect(await eachStepFails({}, { labels })).toBeGreaterThan(rounds(20));
  },
  60_000,
);
