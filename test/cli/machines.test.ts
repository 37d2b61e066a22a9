import { expect, test } from "bun:test";
import { caisson } from "../helpers/command.ts";
import { isRoot, settled } from "../helpers/machine.ts";

/** A run, after something was done to what one mount namespace sees of this machine. */
async function runs(before: string, options: readonly string[] = []) {
  const script = `${before}; "$0" run ${options.join(" ")} -- echo hello; echo "status $?"; find /dev/shm -name 'caisson-*' 2>/dev/null`;
  const p = Bun.spawn(["unshare", "--mount", "sh", "-c", script, caisson], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(p.stdout).text(), new Response(p.stderr).text(), p.exited]);
  return { out, err };
}

const hidden = "mount -t tmpfs none /run";

for (const [state, before] of Object.entries({
  full: "mount -t tmpfs -o size=4k none /dev/shm; head -c 4096 /dev/zero > /dev/shm/full",
  "of a single inode": "mount -t tmpfs -o nr_inodes=1 none /dev/shm",
  "read-only": "mount -t tmpfs -o ro none /dev/shm",
  noexec: "mount -t tmpfs -o noexec none /dev/shm",
  "not there": "mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3",
}))
  test.skipIf(!isRoot)(`a container starts where /dev/shm is ${state}`, async () => {
    const earlier = await settled();
    expect(await runs(`${before}; ${hidden}`)).toEqual({ out: "hello\nstatus 0\n", err: "" });
    expect(await settled()).toEqual(earlier);
  });

for (const [state, before, says] of [
  ["cannot be written to", "mount -t tmpfs -o ro none /run", /^caisson: make the directory \/run\/caisson\S*: EROFS/],
  [
    "is full",
    `${hidden} -o size=4k; head -c 4096 /dev/zero > /run/full`,
    /^caisson: write the state: ENOSPC \(CAISSON_ROOT/,
  ],
] as const)
  test.skipIf(!isRoot)(`where /run ${state}, one sentence says so, and nothing is left`, async () => {
    const earlier = await settled();
    const { out, err } = await runs(before);
    expect(out).toBe("status 125\n");
    expect(err).toMatch(says);
    expect(err.trim().split("\n")).toHaveLength(1);
    expect(await settled()).toEqual(earlier);
  });

for (const [state, before] of [
  ["not mounted", "umount -l /proc"],
  ["something else", "mount -t tmpfs none /proc"],
] as const)
  test.skipIf(!isRoot)(`where /proc is ${state}, that is said, by each command`, async () => {
    const { out, err } = await runs(before);
    expect({ out, err }).toEqual({
      out: "status 125\n",
      err: "caisson: procfs is not mounted on /proc: mount -t proc proc /proc\n",
    });
    const script = `${before}; "$0"-oci state x; echo "status $?"`;
    const { stdout, stderr } = Bun.spawnSync(["unshare", "--mount", "sh", "-c", script, caisson]);
    expect(stdout.toString()).toBe("status 1\n");
    expect(stderr.toString()).toStartWith("caisson-oci: procfs is not mounted");
  });

test.skipIf(!isRoot)("in a directory that is gone, all that does not depend on it", () => {
  const script = `d=$(mktemp -d); cd "$d"; rmdir "$d"; "$0" ps; "$0" run -- true || echo "refused: $?"; "$0"-oci list; "$0"-oci state none`;
  const { stdout, stderr } = Bun.spawnSync(["sh", "-c", script, caisson]);
  expect(stdout.toString()).toMatch(/^NAME .*\nrefused: 125\nID .*\n$/);
  expect(stderr.toString()).toMatch(/^caisson: the working directory is no more: cd to one that is\n.*none/s);
});

test.skipIf(!isRoot).each([[[]], [["-d"]], [["--keep", "--name", "kept-here"]]])(
  "a file that may not become large enough is said by its error, and nothing is left: %p",
  async (options) => {
    const earlier = await settled();
    const { out, err } = await runs("ulimit -f 0", options);
    expect(out).toBe("status 125\n");
    expect(err).toMatch(/^caisson: .*EFBIG.*\n$/);
    expect(await settled()).toEqual(earlier);
  },
);

test.skipIf(!isRoot)("a container starts for whoever leaves themselves no rights to what they make", async () => {
  const earlier = await settled();
  expect(await runs(`umask 777; ${hidden}`)).toEqual({ out: "hello\nstatus 0\n", err: "" });
  expect(await settled()).toEqual(earlier);
});
