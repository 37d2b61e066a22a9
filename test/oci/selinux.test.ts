/** SELinux's labels, where the kernel has it: the virtual machine boots with it once more. Which domain may what is its policy's. */
import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle } from "../conformance/bundle.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const why = !isRoot
  ? "needs root"
  : existsSync("/sys/fs/selinux/enforce")
    ? ""
    : "SELinux is not enabled in this kernel";
const PROCESS = "system_u:system_r:container_t:s0:c1,c2";
const FILE = "system_u:object_r:container_file_t:s0:c1,c2";
/** keyctl(2) KEYCTL_GET_SECURITY of the session keyring. */
const KEYRING = 'my $text = "\\0" x 200; my $n = syscall(250, 17, -3, $text, 200); print substr($text, 0, $n - 1)';

describe.skipIf(why !== "")(`SELinux${why && ` (skipped: ${why})`}`, () => {
  const labelOf = (path: string) => spawnSync("stat", ["-c", "%C", path], { encoding: "utf8" }).stdout.trim();

  test("an engine's container: its processes, what is mounted for it, and what masks", () => {
    using b = new Bundle(["sleep", "600"], (s) => ({
      ...s,
      process: { ...s.process, args: ["sleep", "600"], cwd: "/", selinuxLabel: PROCESS },
      // In quotes, as engines write what has commas.
      mounts: [
        ...(s.mounts ?? []),
        { destination: "/dev/mqueue", type: "mqueue", source: "mqueue" },
        { destination: "/dev/shm", type: "tmpfs", source: "shm" },
        { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: [`rootcontext="${FILE}"`] },
      ],
      linux: { ...s.linux, mountLabel: FILE, maskedPaths: ["/proc/bus", "/proc/kcore"] },
    }));
    expect(b.create()).toMatchObject({ code: 0, err: "" });
    expect(b.start()).toMatchObject({ code: 0, err: "" });
    const { pid } = JSON.parse(b.call(["state", b.id]).out) as { pid: number };
    const own = readFileSync("/proc/self/attr/current", "utf8");
    const current = () => readFileSync(`/proc/${pid}/attr/current`, "utf8");
    for (const end = Date.now() + 10_000; current() === own && Date.now() < end; ) Bun.sleepSync(50);
    expect(current()).toBe(`${PROCESS}\0`);
    const places = ["/dev", "/dev/null", "/dev/pts", "/dev/shm", "/dev/mqueue", "/tmp", "/proc/bus", "/proc/kcore"];
    expect(places.map((p) => [p, labelOf(join(`/proc/${pid}/root`, p))])).toEqual(places.map((p) => [p, FILE]));
    expect(b.call(["exec", b.id, "cat", "/proc/self/attr/current"]).out).toBe(`${PROCESS}\0`);
    b.call(["delete", "--force", b.id]);
  });

  test("a command, its keyring, and what is executed beside it", async () => {
    const name = `selinux-${process.pid}`;
    const given = ["--security-opt", `label=${PROCESS}`, "--security-opt", "seccomp=unconfined"];
    const r = await sh("run", ...given, "--", "perl", "-e", `print \`cat /proc/self/attr/current\`; ${KEYRING}`);
    expect(r).toEqual({ code: 0, out: `${PROCESS}\0${PROCESS}`, err: "" });
    expect((await sh("run", "-d", "--name", name, ...given, "--", "sleep", "600")).code).toBe(0);
    expect((await sh("exec", name, "cat", "/proc/self/attr/current")).out).toBe(`${PROCESS}\0`);
    await sh("rm", "--force", name);
  });

  test("a label that the policy does not know is refused", async () => {
    const r = await sh("run", "--security-opt", "label=system_u:system_r:nobody_t:s0", "--", "true");
    expect(r).toMatchObject({ code: 125, out: "" });
    expect(r.err).toContain("the security policy of this machine has no such label");
  });
});
