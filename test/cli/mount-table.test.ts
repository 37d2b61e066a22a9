import { afterAll, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { caisson } from "../helpers/command.ts";
import { isRoot, settled } from "../helpers/machine.ts";

const AT = "/tmp/caisson-mounts";
mkdirSync(AT, { recursive: true });
afterAll(() => rmdirSync(AT));

/** What a command prints in a container, after something was mounted in a mount namespace of its own, on a directory. */
async function sees(before: string, command: string): Promise<string> {
  const script = `mount -t tmpfs none ${AT} && cd ${AT} && mkdir a b c && ${before} && "$0" run -w / -- sh -c "$1"`;
  const p = Bun.spawn(["unshare", "--mount", "sh", "-c", script, caisson, command], { stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(p.stdout).text(), new Response(p.stderr).text(), p.exited]);
  return out + err;
}

const file = (directory: string) => `mount -t tmpfs none ${directory} && echo ${directory} > ${directory}/file`;

for (const [what, before, command, expected] of [
  [
    "is covered by a later one",
    `mkdir a/x && ${file("a/x")} && ${file("b")} && mount --bind b a`,
    "cat a/file; ls a",
    "b\nfile\n",
  ],
  [
    "was moved onto a younger one",
    `${file("a")} && ${file("b")} && mkdir b/on && mount --move a b/on`,
    "cat b/file b/on/file",
    "b\na\n",
  ],
  ["is covered twice", `${file("a")} && mount -t tmpfs none a && mkdir a/here`, "ls a", "here\n"],
  ["is on the root directory itself", `${file("a")} && mount --bind b /`, "cat a/file", "a\n"],
  [
    "shows a file",
    "echo one > a/1 && touch a/2 && mount --bind a/1 a/2",
    "cat a/2; echo two > a/2",
    /^one\n.*Read-only/s,
  ],
  [
    "shows a file that has no name any more",
    "echo one > a/1 && touch a/2 && mount --bind a/1 a/2 && rm a/1",
    "cat a/2",
    "one\n",
  ],
  [
    "shows a FIFO that has no name any more",
    "mkfifo a/1 && touch a/2 && mount --bind a/1 a/2 && rm a/1",
    "cat a/2",
    "",
  ],
  [
    "is used restrictedly",
    "mount -t tmpfs -o noexec,nosuid,nodev none a && cp /bin/true a",
    "a/true",
    /Permission denied/,
  ],
  [
    "has a name of more characters than a file may have",
    `d=a/$(printf '%0200d' 0)/$(printf '%0100d' 1) && mkdir -p $d && mount -t tmpfs none $d && touch $d/file`,
    "cd a/*/* && ls; touch new",
    /^file\n.*Read-only/s,
  ],
] as const)
  test.skipIf(!isRoot)(`a view of the machine where a mount ${what}`, async () => {
    const earlier = await settled();
    const out = await sees(
      before.replace("mount --move", "mount --make-rprivate / && mount --move"),
      `cd ${AT}; ${command}`,
    );
    if (typeof expected === "string") expect(out).toBe(expected);
    else expect(out).toMatch(expected);
    expect(await settled()).toEqual(earlier);
  });

test.skipIf(!isRoot)("mounts of names with all sorts of characters are in a view", async () => {
  const names = ["with space", "with\nline", "back\\\\slash", "per%2Fcent", "co:lon", "com,ma", "ü", '"'];
  const mounts = names.map((n) => `mkdir 'a/${n}' && ${file(`'a/${n}'`)}`).join(" && ");
  expect((await sees(mounts, `cat ${AT}/a/*/file | wc -l`)).trim()).toBe(String(names.length + 1));
});

const lower = (n: number) =>
  `mkdir c/u${n} c/w${n} && mount -t overlay -o lowerdir=b,upperdir=c/u${n},workdir=c/w${n} none b`;

test.skipIf(!isRoot)("an overlay of overlays can be no layer, and is read-only", async () => {
  const before = `echo hello > b/file && ${file("c")} && ${lower(1)} && ${lower(2)}`;
  expect(await sees(before, `cd ${AT}/b; cat file; touch new`)).toMatch(/^hello\n.*Read-only/s);
});

/** A file system that can't be asked: the process behind it is gone. fuse(4) */
const fuse = (uid: number) => `import ctypes, os, sys
data = "fd=%d,rootmode=40000,user_id=${uid},group_id=0" % os.open("/dev/fuse", os.O_RDWR)
sys.exit(ctypes.CDLL(None).mount(b"none", b"a", b"fuse", 0, data.encode()) != 0)`;
const hasFuse = Bun.spawnSync(["sh", "-c", "test -e /dev/fuse && python3 --version"]).exitCode === 0;

for (const [whose, uid] of [
  ["whose process is gone", 0],
  ["of somebody else's", 1000],
] as const)
  test.skipIf(!isRoot || !hasFuse)(
    `a file system ${whose} is left out${hasFuse ? "" : " (skipped: no /dev/fuse, or no python3)"}`,
    async () => {
      const before = `python3 -c '${fuse(uid)}'`;
      expect(await sees(before, `cd ${AT}; ls a; echo all else is there; ls`)).toBe("all else is there\na\nb\nc\n");
    },
  );

/** A FAT12 file system of 64 sectors: boot sector, one allocation table, one sector of root directory with one file. */
function fat(): Uint8Array {
  const image = Buffer.alloc(64 * 512);
  Buffer.from("eb3c906d6b66732e66617400020101000110004000f8010001000100", "hex").copy(image);
  image.writeUInt16LE(0xaa55, 510);
  Buffer.from("f8ffffffff", "hex").copy(image, 512);
  image.write("FILE    TXT", 2 * 512);
  image.writeUInt16LE(2, 2 * 512 + 26);
  image.writeUInt32LE(4, 2 * 512 + 28);
  image.write("boot", 3 * 512);
  return image;
}

const hasFat = isRoot && /\tvfat$/m.test(readFileSync("/proc/filesystems", "utf8"));
test.skipIf(!hasFat)(
  `a FAT, as firmware boots from, is read-only${hasFat ? "" : " (skipped: this kernel has no vfat)"}`,
  async () => {
    writeFileSync("/tmp/caisson-fat", fat());
    const out = await sees("mount -o loop -t vfat /tmp/caisson-fat a", `cd ${AT}; cat a/file.txt; echo; touch a/new`);
    rmSync("/tmp/caisson-fat");
    expect(out).toMatch(/^boot\n.*Read-only/s);
  },
);
