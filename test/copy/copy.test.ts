import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeRoot } from "../conformance/bundle.ts";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

describe.skipIf(!isRoot)("caisson cp", () => {
  const at = mkdtempSync(join(tmpdir(), "caisson-copy-"));
  const source = join(at, "source");
  const [name, mapped] = [`copy-${process.pid}`, `copy-mapped-${process.pid}`];
  const [megabyte, then] = ["x".repeat(3 << 20), new Date("2020-01-02T03:04:05Z")];
  const at_ = (...words: string[]) => join(at, ...words);
  const ok = async (...words: string[]) => expect(await sh("cp", ...words)).toEqual({ code: 0, out: "", err: "" });
  const refused = async (...words: string[]) => {
    const { code, err } = await sh("cp", ...words);
    expect(code).toBe(125);
    return err;
  };
  const inside = async (...words: string[]) => (await sh("exec", name, ...words)).out;

  beforeAll(async () => {
    mkdirSync(join(source, "sub/empty"), { recursive: true });
    writeFileSync(join(source, "large"), megabyte);
    writeFileSync(join(source, "sub/file"), "text");
    chmodSync(join(source, "sub/file"), 0o4751);
    chownSync(join(source, "sub/file"), 7, 8);
    chmodSync(join(source, "sub/file"), 0o4751);
    utimesSync(join(source, "sub/file"), then, then);
    symlinkSync("/etc/shadow", join(source, "link"));
    for (const [n, ...more] of [[name], [mapped, "--userns", "auto"]] as [string, ...string[]][])
      expect((await sh("run", "-d", "--rm", "--name", n, ...more, "--", "sleep", "1000")).code).toBe(0);
  });
  afterAll(async () => {
    for (const n of [name, mapped]) {
      await sh("kill", n);
      await sh("wait", n);
    }
    rmSync(at, { recursive: true });
  });

  test("a directory there and back: what it is in it, modes, times and links; but whose it is, and set-user-ID", async () => {
    await ok(source, `${name}:/opt/new`);
    await ok(source, `${name}:/opt`);
    expect(await inside("stat", "-c", "%n %a %u %g %Y", "/opt/new/sub/file", "/opt/source/sub/file")).toBe(
      ["new", "source"].map((d) => `/opt/${d}/sub/file 751 0 0 ${then.getTime() / 1000}\n`).join(""),
    );
    expect(await inside("readlink", "/opt/new/link")).toBe("/etc/shadow\n");
    await ok(`${name}:/opt/new/.`, at_("back"));
    expect(readdirSync(at_("back")).sort()).toEqual(["large", "link", "sub"]);
    expect(readFileSync(at_("back/large"), "utf8")).toBe(megabyte);
    expect(readlinkSync(at_("back/link"))).toBe("/etc/shadow");
    expect(existsSync(at_("back/sub/empty"))).toBe(true);
    // What is there already stays, beside what is copied.
    writeFileSync(at_("back/other"), "");
    await ok(`${name}:opt/new/sub`, at_("back/"));
    expect(readdirSync(at_("back")).sort()).toEqual(["large", "link", "other", "sub"]);
  });

  test("--archive: with owners, also of a container that has others", async () => {
    for (const n of [name, mapped]) {
      await ok("-a", source, `${n}:/opt/archived`);
      const said = await sh("exec", n, "stat", "-c", "%a %u %g", "/opt/archived/sub/file");
      expect(said.out).toBe("4751 7 8\n");
      await ok("-a", `${n}:/opt/archived/sub/file`, at_(n));
      const { uid, gid, mode } = lstatSync(at_(n));
      expect([uid, gid, mode & 0o7777]).toEqual([7, 8, 0o4751]);
    }
    await ok(source, `${mapped}:/opt/own`);
    expect((await sh("exec", mapped, "stat", "-c", "%u %g", "/opt/own/sub/file")).out).toBe("0 0\n");
    await ok(`${mapped}:/opt/archived`, `${name}:/opt/from-other`);
    expect(await inside("cat", "/opt/from-other/sub/file")).toBe("text");
  });

  test("a file: to a name, into a directory, over one that is there, which stays the same one", async () => {
    const file = join(source, "sub/file");
    await inside("sh", "-c", "echo longer than what comes > /root/there; ln /root/there /root/same");
    await ok(file, `${name}:/root/there`);
    expect(await inside("cat", "/root/same")).toBe("text");
    await ok(file, `${name}:/root`);
    expect(await inside("cat", "/root/file")).toBe("text");
    // It is being executed: it is another one then.
    await inside("sh", "-c", "cp /bin/sleep /root/busy; /root/busy 1000 > /dev/null 2>&1 & sleep 0.1");
    await ok(file, `${name}:/root/busy`);
    expect(await inside("cat", "/root/busy")).toBe("text");
  });

  test("a hole stays one, and what is behind it is where it was", async () => {
    await inside("sh", "-c", "echo first > /root/sparse; truncate -s 256M /root/sparse; echo last >> /root/sparse");
    await ok(`${name}:/root/sparse`, at_("sparse"));
    const { size, blocks } = lstatSync(at_("sparse"));
    expect(size).toBe(2 ** 28 + 5);
    expect(blocks).toBeLessThan(10_000);
    const ends = Bun.spawnSync(["sh", "-c", `head -c 6 ${at_("sparse")}; tail -c 5 ${at_("sparse")}`]);
    expect(ends.stdout.toString()).toBe("first\nlast\n");
  });

  test("a file that somebody goes on writing: what there is of it at that moment", async () => {
    const busy = "exec 3> /opt/busy; while :; do head -c 1000000 /dev/urandom >&3; done";
    const writer = Bun.spawn([caisson, "exec", name, "sh", "-c", busy]);
    try {
      while ((await sh("exec", name, "test", "-s", "/opt/busy")).code !== 0) await Bun.sleep(10);
      await ok(`${name}:/opt/busy`, at_("busy"));
      expect(lstatSync(at_("busy")).size).toBeGreaterThan(0);
    } finally {
      writer.kill("SIGKILL");
      await writer.exited;
      await sh("exec", name, "sh", "-c", "pkill -f urandom; rm /opt/busy");
    }
    await ok(`${name}:/proc/version`, at_("version"));
    expect(readFileSync(at_("version"), "utf8")).toContain("Linux");
  });

  test("--follow-link, and a slash: what a link leads to, on its own side, by the link's name", async () => {
    await inside(
      "sh",
      "-c",
      "mkdir -p /root/far/in /root/near; echo far > /root/far/in/file; cd /root/near; ln -s ../far/in dir",
    );
    await inside("sh", "-c", `cd /root/near; ln -s dir/file file; ln -s nowhere broken; ln -s turn turn`);
    await ok("-L", `${name}:/root/near/file`, at_("followed"));
    expect(readFileSync(at_("followed"), "utf8")).toBe("far\n");
    expect(lstatSync(at_("followed")).isSymbolicLink()).toBe(false);
    mkdirSync(at_("into"));
    await ok("-L", `${name}:/root/near/dir`, at_("into"));
    expect(readFileSync(at_("into/dir/file"), "utf8")).toBe("far\n");
    rmSync(at_("into/dir"), { recursive: true });
    await ok(`${name}:/root/near/dir/`, at_("into"));
    expect(readFileSync(at_("into/dir/file"), "utf8")).toBe("far\n");
    symlinkSync(source, at_("link-to-source"));
    await ok(at_("link-to-source/"), `${name}:/root/near`);
    expect(await inside("cat", "/root/near/link-to-source/sub/file")).toBe("text");
    expect(await refused("-L", `${name}:/root/near/broken`, at_("into"))).toContain("is not there");
    expect(await refused("-L", `${name}:/root/near/turn`, at_("into"))).toContain("too many links");
    expect(await refused(`${name}:/root/near/file/`, at_("into"))).toContain("is not a directory");
  });

  test("of a whole root filesystem the kernel's own views and devices stay behind", async () => {
    const root = makeRoot(at_("root"));
    writeFileSync(at_("of-host"), "");
    symlinkSync(at_("of-host"), join(root, "out"));
    const whole = `copy-whole-${process.pid}`;
    const words = ["--rootfs", `${root}:O`, "--init", "--", "sleep", "1000"];
    expect((await sh("run", "-d", "--rm", "--name", whole, ...words)).code).toBe(0);
    try {
      expect(await refused("-L", `${whole}:/out`, at_("into"))).toContain("is not there");
      for (const [from, to] of [
        ["/", "whole"],
        ["/.", "whole"],
        ["/", "other/"],
      ] as const) {
        mkdirSync(at_("other"), { recursive: true });
        await ok(`${whole}:${from}`, at_(to));
        for (const view of ["proc", "sys", "dev"]) expect(readdirSync(at_(to, view))).toEqual([]);
        expect(readdirSync(at_(to, "bin")).sort()).toEqual(readdirSync(join(root, "bin")).sort());
      }
    } finally {
      await sh("kill", whole);
      await sh("wait", whole);
    }
  });

  test("files of an overlay, whose numbers of inodes have all 64 bits, are not taken for one", async () => {
    const [low, up, merged, box] = [at_("low"), at_("up"), at_("merged"), `${name}-overlay`];
    const mount = (...words: string[]) => {
      const { status, stderr } = spawnSync("mount", words, { encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
    };
    for (const d of [low, up, merged]) mkdirSync(d);
    try {
      for (const d of [low, up]) mount("-t", "tmpfs", "none", d);
      for (const d of ["low/files/one/two", "up/upper", "up/work"]) mkdirSync(at_(d), { recursive: true });
      for (const d of ["a", "b"]) writeFileSync(at_("low/files", d), d);
      const layers = `lowerdir=${low}/files,upperdir=${up}/upper,workdir=${up}/work,xino=on`;
      mount("-t", "overlay", "-o", layers, "none", merged);
      expect(
        (await sh("run", "-d", "--rm", "--name", box, "-v", `${merged}:/data:rw`, "--", "sleep", "1000")).code,
      ).toBe(0);
      await ok(`${box}:/data/a`, `${box}:/data/b`);
      expect(readFileSync(join(merged, "b"), "utf8")).toBe("a");
      const into = await refused(`${box}:/data/one`, `${box}:/data/one/two`);
      expect(into).toContain("in the directory that is copied");
    } finally {
      await sh("kill", box);
      await sh("wait", box);
      for (const d of [merged, up, low]) spawnSync("umount", [d]);
    }
  });

  test("what is no file, directory or link is left out, and said", async () => {
    await inside("sh", "-c", "mkdir /root/kinds; mkfifo /root/kinds/fifo; echo a > /root/kinds/file");
    const { code, err } = await sh("cp", `${name}:/root/kinds`, at);
    expect([code, err]).toEqual([1, "caisson: not copied, since it is no file, directory or link: kinds/fifo\n"]);
    expect(readdirSync(at_("kinds"))).toEqual(["file"]);
    expect((await sh("cp", `${name}:/dev/null`, at_("null"))).code).toBe(1);
    expect(existsSync(at_("null"))).toBe(false);
  });

  test("what is a device, a FIFO or a socket is not replaced, on either side, also by a link or below a directory", async () => {
    const kinds = at_("special");
    mkdirSync(kinds);
    spawnSync("mkfifo", [join(kinds, "file")]);
    symlinkSync("file", join(kinds, "link"));
    await inside("sh", "-c", "mkdir /root/plain; echo a > /root/plain/file");
    for (const [from, to] of [
      [`${name}:/root/plain/file`, join(kinds, "file")],
      [`${name}:/root/plain/file`, join(kinds, "link")],
      [`${name}:/root/plain/file`, kinds],
      [`${name}:/root/plain/.`, kinds],
      [join(source, "sub/file"), `${name}:/dev/null`],
    ] as const) {
      const { code, err } = await sh("cp", from, to);
      expect({ from, to, code, err }).toEqual({ from, to, code: 125, err: expect.stringContaining("is not replaced") });
    }
    expect(lstatSync(join(kinds, "file")).isFIFO()).toBe(true);
    expect(await inside("stat", "-c", "%F", "/dev/null")).toBe("character special file\n");
  });

  test("links of a container lead nowhere else, however quickly it changes them", async () => {
    const target = mkdtempSync(join(tmpdir(), "caisson-copy-target-"));
    try {
      const up = "../".repeat(20);
      await inside("sh", "-c", `mkdir -p /root/race/real ${target}; ln -s ${up}${target.slice(1)} /root/race/out`);
      await ok(join(source, "sub/file"), `${name}:/root/race/out/file`);
      expect(readdirSync(target)).toEqual([]);
      expect(await inside("cat", `${target}/file`)).toBe("text");
      const swap = "while mv -T dir other && mv -T link dir && mv -T dir link && mv -T other dir; do :; done";
      await inside("sh", "-c", `cd /root/race; mkdir -p dir; ln -s / link; (${swap}) > /dev/null 2>&1 &`);
      await inside("sh", "-c", `printf of-the-container > ${target}/secret`);
      writeFileSync(join(target, "secret"), "of the machine");
      for (let i = 0; i < 20; i++) {
        await sh("cp", source, `${name}:/root/race/dir${target}`);
        await sh("cp", `${name}:/root/race/dir${target}/secret`, at_("stolen"));
      }
      expect(readdirSync(target)).toEqual(["secret"]);
      expect(readFileSync(at_("stolen"), "utf8")).toBe("of-the-container");
    } finally {
      rmSync(target, { recursive: true });
    }
  });

  test("what cannot be is said in one sentence", async () => {
    const file = join(source, "sub/file");
    expect(await refused("one")).toContain("two words: SOURCE DESTINATION");
    expect(await refused("one", "two")).toContain("NAME:PATH in one of the two");
    expect(await refused(file, "no-such:/tmp")).toContain('no container is named "no-such"');
    expect(await refused(file, `${name}:`)).toContain("DESTINATION");
    expect(await refused(`${name}:/nothing`, at)).toContain("SOURCE: /nothing is not there");
    expect(await refused(file, `${name}:/no/where`)).toContain("DESTINATION: /no is not there");
    expect(await refused(file, `${name}:/nowhere/`)).toContain("the directory /nowhere/ is not there");
    expect(await refused(file, `${name}:/etc/passwd/`)).toContain("DESTINATION");
    await inside("sh", "-c", "mkdir -p /root/deep/deeper; echo kept > /root/deep/file");
    expect(await refused(`${name}:/root/deep`, `${name}:/root/deep/deeper`)).toContain(
      "in the directory that is copied",
    );
    expect(await refused(`${name}:/root/deep/.`, `${name}:/root/deep`)).toContain("in the directory that is copied");
    expect(await refused(`${name}:/root/deep/file`, `${name}:/root/deep`)).toContain("the same file");
    expect(await inside("cat", "/root/deep/file")).toBe("kept\n");
    expect(await refused(file, `${name}:/proc/new`)).toBe("caisson: copy file: open: ENOENT\n");
    expect(await refused(source, `${name}:/etc/passwd`)).toContain("cannot take each other's place");
  });
});
