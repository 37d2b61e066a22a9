import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bundle, shell } from "../conformance/bundle.ts";
import { isRoot } from "../helpers/machine.ts";

const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
const capabilities = ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"];

/** In a user namespace, with mounts of what is below directories that only root of the host may enter. */
function closed(command: readonly string[], names: readonly string[]) {
  const b = new Bundle(command);
  for (const name of names) {
    mkdirSync(join(b.at, `closed-${name}`, "dir"), { recursive: true });
    writeFileSync(join(b.at, `closed-${name}`, "dir/file"), `${name}\n`);
    chmodSync(join(b.at, `closed-${name}`), 0o700);
  }
  spawnSync("chown", ["-R", "100000:100000", b.root]);
  b.rewrite((s) => ({
    ...s,
    process: {
      ...s.process,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    mounts: [
      ...(s.mounts ?? []).filter((m) => m.type !== "sysfs"),
      ...names.map((name) => ({
        destination: `/mnt/${name}`,
        type: "bind",
        source: join(b.at, `closed-${name}/dir`),
        options: ["rbind"],
      })),
    ],
    linux: {
      ...s.linux,
      namespaces: [...(s.linux?.namespaces ?? []), { type: "user" }],
      uidMappings: maps,
      gidMappings: maps,
    },
  }));
  return b;
}

/** A command in a user namespace that has some of the ids. What is executed before they are written has no capabilities. */
const IN_PART = `mkfifo go
unshare --user --mount sh -c 'read go <go; exec "$@"' sh "$@" & p=$!
until [ "$(readlink /proc/$p/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
for map in uid_map gid_map; do echo "0 0 100000" >/proc/$p/$map; done
echo >go; wait $p`;

describe.skipIf(!isRoot)("sources that the root of the container's user namespace cannot reach", () => {
  test("are mounted all the same, for the command and for another process", async () => {
    using b = closed(shell("cat /mnt/a/file /mnt/b/file; sleep 60"), ["a", "b"]);
    expect(b.create()).toMatchObject({ code: 0, err: "" });
    expect(b.start().code).toBe(0);
    expect(b.call(["exec", b.id, "cat", "/mnt/b/file"])).toMatchObject({ code: 0, out: "b\n" });
    expect(b.written().out).toBe("a\nb\n");
  });

  test("what is read-only on the host stays so, whatever the container may mount", () => {
    using b = closed(shell("mount -o remount,bind,rw /mnt/a; touch /mnt/a/new"), ["a"]);
    const source = join(b.at, "closed-a/dir");
    spawnSync("mount", ["-t", "tmpfs", "-o", "mode=777", "none", source]);
    spawnSync("mount", ["-o", "remount,bind,ro", source]);
    try {
      const r = b.run();
      expect(r.code).not.toBe(0);
      expect(r.err).toMatch(/mount: .*permission denied/i);
      expect(r.err).toContain("Read-only file system");
    } finally {
      spawnSync("umount", [source]);
    }
  });

  test("also those of a group that the runtime's own user namespace does not map, and shows as nobody's", () => {
    using b = closed(["cat", "/mnt/a/file"], ["a"]);
    // As podman has it for --userns=keep-id: the runtime's own user is another than root in there.
    const kept = [
      { containerID: 0, hostID: 1, size: 1000 },
      { containerID: 1000, hostID: 0, size: 1 },
      { containerID: 1001, hostID: 1001, size: 64_535 },
    ];
    b.rewrite((s) => ({ ...s, linux: { ...s.linux, uidMappings: kept, gidMappings: kept } }));
    spawnSync("chown", ["-R", "1:1", b.root]);
    spawnSync("chown", ["0:200000", join(b.at, "closed-a")]);
    spawnSync("chmod", ["755", b.at]);
    const r = spawnSync("sh", ["-ec", IN_PART, "sh", ...b.words("run", "--bundle", b.at, b.id)], {
      cwd: b.at,
      encoding: "utf8",
    });
    expect([r.stdout, r.stderr, r.status]).toEqual(["a\n", "", 0]);
  });

  test("one that goes meanwhile is an error by its name, and nothing is left", () => {
    using b = closed(["true"], ["a"]);
    b.rewrite((s) => ({
      ...s,
      mounts: [...(s.mounts ?? []), { ...s.mounts?.at(-1), source: join(b.at, "closed-a/no") }],
    }));
    expect(b.run()).toMatchObject({ code: 1, err: expect.stringContaining("closed-a/no") });
    expect(b.state_()).toEqual({});
  });
});
