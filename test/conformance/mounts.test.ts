import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRoot } from "../helpers/machine.ts";
import { Bundle, isOurs, mounting, printed, shell } from "./bundle.ts";

/** A bundle with a directory of the host's to mount. */
function withSource(args: string[], options: string[], more: object = {}): Bundle {
  const b = new Bundle(args);
  const source = join(b.at, "source");
  mkdirSync(join(source, "deep"), { recursive: true });
  writeFileSync(join(source, "file"), "content\n", { mode: 0o755 });
  b.write({
    ...(mounting({ destination: "/mnt", type: "bind", source, options, ...more })(
      JSON.parse(readFileSync(join(b.at, "config.json"), "utf8")),
    ) as object),
  });
  return b;
}
const optionsOf = (point: string) => shell(`grep ' ${point} ' /proc/self/mountinfo | head -1 | cut -d' ' -f6`);

describe.skipIf(!isRoot)("config.md Mounts", () => {
  test("they are listed in the order in which they were given", () => {
    using b = new Bundle(["cat", "/proc/self/mountinfo"]);
    const bound = { destination: "/data", type: "bind", source: b.at, options: ["rbind"] };
    b.rewrite((s) => ({
      ...s,
      mounts: [...(s.mounts ?? []), bound, { destination: "/tmp", type: "tmpfs", source: "tmpfs" }],
    }));
    const points = b
      .run()
      .out.split("\n")
      .map((line) => line.split(" ")[4]);
    const wanted = ["/proc", "/dev", "/dev/pts", "/dev/shm", "/sys", "/data", "/tmp"];
    expect(points.filter((p) => wanted.includes(p ?? ""))).toEqual(wanted);
  });
  test("in the order of the list: a later one covers an earlier one", () => {
    const r = printed(
      shell("grep -c ' /data' /proc/self/mountinfo; ls /data"),
      mounting(
        { destination: "/data/below", type: "tmpfs", source: "tmpfs" },
        { destination: "/data", type: "tmpfs", source: "tmpfs", options: ["mode=700"] },
      ),
    );
    expect(r.out).toBe("2\n");
  });
  test("on / it is the root for all that comes after it, and for the command", () => {
    using b = new Bundle(shell("cat /of-other /proc/self/comm; ls -d /dev/null /data /of-first; touch /written"));
    const other = join(b.at, "other");
    cpSync(b.root, other, { recursive: true, verbatimSymlinks: true });
    for (const [root, name] of [
      [b.root, "of-first"],
      [other, "of-other"],
    ] as const)
      writeFileSync(join(root, name), `${name}\n`);
    const over = { destination: "/", type: "bind", source: other, options: ["rbind"] };
    b.rewrite((spec) => ({ ...spec, mounts: [over, ...(spec.mounts ?? [])] }));
    const r = b.run();
    expect(r.out).toBe("of-other\ncat\n/data\n/dev/null\n");
    expect([b.root, other].map((root) => existsSync(join(root, "written")))).toEqual([false, true]);
  });
  test("a missing destination is made, with what leads to it", () => {
    expect(
      printed(["ls", "/new/deep"], mounting({ destination: "/new/deep", type: "tmpfs", source: "tmpfs" })).code,
    ).toBe(0);
  });
  test("bind, rbind, ro", () => {
    using b = withSource(["cat", "/mnt/file"], ["bind"]);
    expect(b.run().out).toBe("content\n");
    using r = withSource(["touch", "/mnt/new"], ["rbind", "ro"]);
    expect(r.run().code).not.toBe(0);
  });
  test("a file is bound on a file", () => {
    using b = new Bundle(["cat", "/etc/bound"]);
    const source = join(b.at, "single");
    writeFileSync(source, "one file\n");
    b.rewrite(mounting({ destination: "/etc/bound", type: "bind", source, options: ["bind"] }));
    expect(b.run().out).toBe("one file\n");
  });
  test("a relative source is the bundle's", () => {
    using b = new Bundle(["cat", "/mnt/file"]);
    mkdirSync(join(b.at, "near"));
    writeFileSync(join(b.at, "near/file"), "near\n");
    b.rewrite(mounting({ destination: "/mnt", type: "bind", source: "near", options: ["bind"] }));
    expect(b.run().out).toBe("near\n");
  });
  for (const word of ["nosuid", "nodev", "noexec", "noatime", "nodiratime", "nosymfollow"])
    test(`option ${word}`, () => {
      const mount = { destination: "/mnt", type: "tmpfs", source: "tmpfs", options: [word] };
      expect(printed(optionsOf("/mnt"), mounting(mount)).out).toContain(word);
      using b = withSource(optionsOf("/mnt"), ["bind", word]);
      expect(b.run().out).toContain(word);
    });
  for (const [word, shown] of [
    ["rro", "ro"],
    ["rnosuid", "nosuid"],
    ["rnoexec", "noexec"],
  ] as const)
    test(`recursive option ${word} holds below, too`, () => {
      using b = new Bundle(shell("grep ' /mnt/sub ' /proc/self/mountinfo | cut -d' ' -f6"));
      const source = join(b.at, "source");
      mkdirSync(join(source, "sub"), { recursive: true });
      const args = ["unshare", "-m", "--propagation", "private", "sh", "-c"];
      b.rewrite(mounting({ destination: "/mnt", type: "bind", source, options: ["rbind", word] }));
      const line = `mount -t tmpfs none ${source}/sub && exec ${b.command()}`;
      const [file = "", ...rest] = [...args, line];
      expect(spawnSync(file, rest, { encoding: "utf8" }).stdout).toContain(shown);
    });
  test("propagation: private by default, shared if asked for", () => {
    const fields = shell("grep ' /mnt ' /proc/self/mountinfo | head -1");
    using p = withSource(fields, ["bind"]);
    expect(p.run().out).not.toContain("shared:");
    using s = withSource(fields, ["bind", "rshared"]);
    expect(s.run().out).toContain("shared:");
  });
  for (const [root, words, host, container] of [
    ["rshared", ["rshared"], 1, 1],
    ["rshared", [], 1, 1],
    ["rshared", ["rprivate"], 0, 0],
    ["rshared", ["rslave", "rshared"], 0, 1],
    ["rslave", [], 0, 1],
    [undefined, ["rslave"], 0, 1],
    [undefined, ["rshared"], 0, 1],
    [undefined, [], 0, 0],
  ] as const)
    test(`a root that is ${root ?? "as usual"}, a bind mount with ${words.join() || "no word"}: mounts are seen by ${host ? "the host and " : ""}${container ? "the container" : "nobody"}`, () => {
      const script = `mount -t tmpfs none /mnt/mine; touch /mnt/ready; until test -e /mnt/go; do sleep 0.02; done
        grep -c ' /mnt/host ' /proc/self/mountinfo`;
      using b = withSource(shell(script), ["rbind", ...words]);
      const admin = ["CAP_SYS_ADMIN"];
      b.rewrite((spec) => ({
        ...spec,
        process: { ...spec.process, capabilities: { bounding: admin, effective: admin, permitted: admin } },
        linux: { ...spec.linux, ...(root && { rootfsPropagation: root }) },
      }));
      const source = join(b.at, "source");
      const line = `cd ${source} && mount -t tmpfs none . && mount --make-shared . && cd ${source} && mkdir mine host
        ${b.command()} & until test -e ready; do sleep 0.02; done
        grep -c ${source}/mine /proc/self/mountinfo; mount -t tmpfs none host; touch go; wait`;
      const r = spawnSync("unshare", ["-m", "--propagation", "private", "sh", "-c", line], {
        encoding: "utf8",
        timeout: 20_000,
      });
      expect(r.stdout).toBe(`${host}\n${container}\n`);
    });
  test("data of the file system: size", () => {
    const mount = { destination: "/mnt", type: "tmpfs", source: "tmpfs", options: ["size=1m"] };
    expect(printed(shell("grep ' /mnt ' /proc/self/mountinfo"), mounting(mount)).out).toContain("size=1024k");
  });
  test("tmpcopyup: what was there is there", () => {
    using b = new Bundle(shell("cat /data/kept; stat -c %a /data/kept; readlink /data/link; touch /data/new"));
    writeFileSync(join(b.root, "data/kept"), "kept\n", { mode: 0o640 });
    symlinkSync("kept", join(b.root, "data/link"));
    b.rewrite(mounting({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }));
    expect(b.run()).toMatchObject({ code: 0, out: "kept\n640\nkept\n" });
  });
  test("a destination through links stays in the root", () => {
    using b = new Bundle(["ls", "/etc"]);
    symlinkSync("/../../../../etc", join(b.root, "out"));
    b.rewrite(mounting({ destination: "/out/x", type: "tmpfs", source: "tmpfs" }));
    expect(b.run().out).toContain("x\n");
    expect(existsSync("/etc/x")).toBe(false);
  });
  test("a destination that is a link to nothing is made where the link leads", () => {
    using b = new Bundle(["cat", "/run/resolv/conf"]);
    symlinkSync("../run/resolv/conf", join(b.root, "etc/resolv.conf"));
    writeFileSync(join(b.at, "file"), "bound\n");
    b.rewrite(
      mounting({ destination: "/etc/resolv.conf", type: "bind", source: join(b.at, "file"), options: ["bind"] }),
    );
    expect(b.run()).toMatchObject({ code: 0, out: "bound\n" });
  });
  test("a destination with dots stays in the root", () => {
    const to = (destination: string) => mounting({ destination, type: "tmpfs", source: "tmpfs" });
    expect(printed(["grep", "-c", " /data ", "/proc/mounts"], to("/tmp/../data")).out).toBe("1\n");
    expect(printed(["grep", "-c", " /data ", "/proc/mounts"], to("/../../data")).out).toBe("1\n");
  });
  test("what is no proc file system is refused on /proc, and below it", () => {
    for (const destination of ["/proc", "/proc/self"])
      expect(
        printed(["true"], mounting({ destination, type: "bind", source: "/etc", options: ["bind"] })).code,
      ).not.toBe(0);
  });
  test("nor is it by a link of the root filesystem; and proc is mounted on none", () => {
    const withLink = (target: string, mount: object) => {
      using b = new Bundle(["true"], mounting(mount));
      symlinkSync(target, join(b.root, "link"));
      return b.run().code;
    };
    for (const target of ["/proc", "proc/self", "../proc/self/attr"])
      expect(withLink(target, { destination: "/link", type: "bind", source: "/etc", options: ["bind"] })).not.toBe(0);
    for (const target of ["/tmp", "/nowhere"])
      expect(withLink(target, { destination: "/link", type: "proc", source: "proc" })).not.toBe(0);
  });
  test("a tmpfs has the mode of the directory that it covers, or the one that it is given", () => {
    const modes = (...options: string[]) => {
      const tmpfs = { destination: "/data", type: "tmpfs", source: "tmpfs", options };
      using b = new Bundle(["stat", "-c", "%a", "/data"], mounting(tmpfs));
      chmodSync(join(b.root, "data"), 0o2750);
      return b.run().out;
    };
    expect(modes("size=1m")).toBe("2750\n");
    if (isOurs) expect(modes("mode=711")).toBe("711\n");
  });
  test("tmpcopyup of one that is read-only", () => {
    using b = new Bundle(shell("cat /data/kept; touch /data/new 2>/dev/null || echo sealed"));
    writeFileSync(join(b.root, "data/kept"), "kept\n");
    b.rewrite(mounting({ destination: "/data", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup", "ro"] }));
    expect(b.run()).toMatchObject({ code: 0, out: "kept\nsealed\n" });
  });
  test("idmap: ids of the host are shown as others", () => {
    const maps = [{ containerID: 0, hostID: 10_000, size: 1000 }];
    using b = withSource(["stat", "-c", "%u", "/mnt/file"], ["bind", "idmap"], {
      uidMappings: maps,
      gidMappings: maps,
    });
    const r = b.run();
    // Runtimes before version 1.2 of runc have no such thing: they say so, or are not asked.
    if (r.code === 0) expect(r.out).toBe("10000\n");
    else expect(r.err).not.toBe("");
  });
  const others = isOurs ? test : () => {};
  others("idmap=MAPS: the same in the words of crun", () => {
    const at = (options: string) => withSource(["stat", "-c", "%u %g", "/mnt/file"], ["bind", options], {});
    using b = at("idmap=uids=0-10000-1000;gids=0-20000-5#5-30000-5");
    const r = b.run();
    // Not every file system can be mounted so: mount_setattr(2).
    if (r.err.includes("EINVAL")) expect(r.err).toContain("map the ids of");
    else expect(r).toMatchObject({ code: 0, out: "10000 20000\n" });
    for (const bad of [
      "idmap=uids=0-10000-1000",
      "idmap=uids=0-1",
      "idmap=pids=0-1-1",
      "idmap=uids=0-1-0",
      "idmap=uids=@0-5-1",
    ]) {
      using c = at(bad);
      expect(c.run()).toMatchObject({ code: 1, err: expect.stringContaining(bad) });
    }
  });
  others("uidMappings without gidMappings are refused", () => {
    using b = withSource(["true"], ["bind", "idmap"], {
      uidMappings: [{ containerID: 0, hostID: 10_000, size: 1000 }],
    });
    expect(b.run()).toMatchObject({ code: 1, err: expect.stringContaining("gidMappings are given together") });
  });
  test("a source that is not there is refused", () => {
    expect(
      printed(["true"], mounting({ destination: "/mnt", type: "bind", source: "/nothing/here", options: ["bind"] }))
        .code,
    ).not.toBe(0);
  });
});
