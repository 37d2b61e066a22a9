import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findGpus } from "../../src/host/gpus.ts";
import { type ContainerOptions, run } from "../../src/index.ts";
import { caisson, sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const directory = "/var/run/cdi";
const file = join(directory, "caisson-test.json");
const wasThere = existsSync(directory);
const scratch = mkdtempSync(join(tmpdir(), "caisson-devices-"));

const device = (name: string, containerEdits: object) => ({ name, containerEdits });

beforeAll(() => {
  if (!isRoot) return;
  writeFileSync(join(scratch, "library"), "of the driver\n");
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    file,
    JSON.stringify({
      cdiVersion: "0.8.0",
      kind: "caisson.test/thing",
      containerEdits: { env: ["THING_ALL=yes", "THING_OWN=file"] },
      devices: [
        device("node", {
          env: ["THING_NAME=node"],
          deviceNodes: [
            { path: "/dev/thing/0", hostPath: "/dev/kmsg", permissions: "r", fileMode: 0o640, uid: 7, gid: 8 },
          ],
          mounts: [
            {
              hostPath: join(scratch, "library"),
              containerPath: "/opt/thing/library",
              options: ["ro", "nosuid", "noexec", "bind"],
            },
            { hostPath: "tmpfs", containerPath: "/opt/thing/cache", type: "tmpfs", options: ["size=64k"] },
          ],
          additionalGids: [4321],
        }),
        device("hooked", { hooks: [{ hookName: "createContainer", path: "/usr/bin/thing-hook" }] }),
        device("odd", { mounts: [{ hostPath: scratch, containerPath: "/x", options: ["sync"] }] }),
        device("network", { netDevices: [{ hostInterfaceName: "eth7", name: "eth0" }] }),
      ],
    }),
  );
});
afterAll(() => {
  rmSync(scratch, { recursive: true });
  if (!isRoot) return;
  rmSync(file);
  if (!wasThere) rmdirSync(directory);
});

const thing = (name: string, more: Partial<ContainerOptions> = {}) =>
  ({ devices: [`caisson.test/thing=${name}`], workdir: "/", ...more }) satisfies ContainerOptions;

describe.skipIf(!isRoot)("devices that files describe", () => {
  test("nodes with their owners and rights, mounts, environment and groups", async () => {
    const r = await run(
      [
        "sh",
        "-c",
        `stat -c '%a %u %g %t %T' /dev/thing/0; id -G; echo $THING_ALL $THING_NAME $THING_OWN; cat /opt/thing/library
         : < /dev/thing/0 && echo opened; (: > /dev/thing/0); cat /proc/self/mountinfo`,
      ],
      thing("node", { env: { THING_OWN: "mine" }, capAdd: ["SYSLOG"] }),
    );
    const lines = r.stdout.split("\n");
    expect(lines.slice(0, 5)).toEqual(["640 7 8 1 b", "0 4321", "yes node mine", "of the driver", "opened"]);
    expect(r.stderr).toMatch(/cannot create \/dev\/thing\/0: (Operation not permitted|Permission denied)/);
    expect(lines.find((l) => l.includes("/opt/thing/library"))).toMatch(/ ro,nosuid,(nodev,)?noexec/);
    expect(lines.find((l) => l.includes("/opt/thing/cache"))).toContain("size=64k");
  });

  test("hooks are for engines: on the machine's own root it is said that they are not performed, on others refused", async () => {
    const r = await run(["true"], thing("hooked"));
    expect(r.notApplied).toEqual(["devices: hooks of a CDI file (/usr/bin/thing-hook) are not performed"]);
    await expect(run(["true"], thing("hooked", { strict: true }))).rejects.toThrow("not everything can be applied");
    await expect(run(["true"], thing("hooked", { rootfs: scratch }))).rejects.toThrow("by caisson-oci only");
  });

  test("what cannot be done is refused by name", async () => {
    await expect(run(["true"], thing("odd"))).rejects.toThrow("devices: mount option sync of /x");
    await expect(run(["true"], thing("network"))).rejects.toThrow("network devices of a CDI file");
    await expect(run(["true"], thing("none"))).rejects.toThrow(
      '"caisson.test/thing=none" is not one of caisson.test/thing=hooked, ',
    );
  });

  test("by the command, beside others", async () => {
    const r = await sh(
      ...["run", "--device", "caisson.test/thing=node", "--device", "/dev/full:/dev/another", "--workdir", "/", "--"],
      ...["ls", "/dev/thing/0", "/dev/another"],
    );
    expect(r).toEqual({ code: 0, out: "/dev/another\n/dev/thing/0\n", err: "" });
  });
});

describe("options of volumes", () => {
  test.skipIf(!isRoot)("are the kernel's", async () => {
    writeFileSync(join(scratch, "script"), "#!/bin/sh\n", { mode: 0o755 });
    const r = await sh(
      "run",
      "-v",
      `${scratch}:/mnt/v:ro,nosuid,noexec,rslave`,
      "--",
      "sh",
      "-c",
      "cat /proc/self/mountinfo; /mnt/v/script",
    );
    expect(r.out.split("\n").find((l) => l.includes(" /mnt/v "))).toMatch(/ ro,nosuid,noexec/);
    expect(r.err).toContain("Permission denied");
  });

  test.skipIf(!isRoot)("what is mounted below one that is shared, and no other, is seen by the host", () => {
    const inside = (word: string) =>
      `'${caisson}' run --cap-add SYS_ADMIN -v $PWD:/mnt/v:${word} -- mount -t tmpfs ${word} /mnt/v/${word}`;
    const line = `mount -t tmpfs none '${scratch}' && mount --make-shared '${scratch}' && cd '${scratch}' || exit
      for word in rprivate rslave rshared; do mkdir $word; done
      ${["rprivate", "rslave", "rshared"].map(inside).join(" && ")} && grep -o '${scratch}/r[a-z]*' /proc/self/mountinfo`;
    const r = spawnSync("unshare", ["-m", "--propagation", "private", "sh", "-c", line], { encoding: "utf8" });
    expect(r.stdout).toBe(`${scratch}/rshared\n`);
  });

  test("and others are refused", async () => {
    expect((await sh("run", "-v", "/tmp:/x:fast", "true")).err).toContain(
      '--volume: "/tmp:/x:fast" is not of the form "source:destination" or "source:destination:OPTIONS", with ro, rw, nosuid',
    );
  });
});

describe("graphics processors", () => {
  const gpus = findGpus();
  const has = gpus.some((g) => g.driver === "nvidia");

  test.skipIf(gpus.length > 0)("a machine without any says so", async () => {
    await expect(run(["true"], { gpus: "all" })).rejects.toThrow("gpus: this machine has none");
  });

  test("bad names of them", async () => {
    expect((await sh("run", "--gpus", "none", "true")).err).toContain(
      '--gpus: "none" is not all, a number, or device=ID',
    );
  });

  const felt = isRoot && has ? test : test.skip;
  const why = has ? "" : " (skipped: no driver of NVIDIA's is loaded)";
  felt(`one that is given is found, and one that is not is not${why}`, async () => {
    const minor = readFileSync(`/proc/driver/nvidia/gpus/${gpus[0]?.address}/information`, "utf8");
    expect(minor).toContain(gpus[0]?.uuid ?? "?");
    const given = await run(["nvidia-smi", "-L"], { gpus: "all", env: { PATH: process.env["PATH"] ?? "" } });
    expect(given.stdout.trim().split("\n").length).toBe(gpus.length);
    expect(given.stdout).toContain(gpus[0]?.uuid ?? "?");
    const one = await sh("run", "--gpus", `device=${gpus[0]?.uuid}`, "--", "nvidia-smi", "-L");
    expect(one.out).toContain(gpus[0]?.uuid ?? "?");
    expect((await run(["nvidia-smi", "-L"], { env: { PATH: process.env["PATH"] ?? "" } })).exitCode).not.toBe(0);
    // By numbers of its own making neither: the right to open is missing, not the node.
    const made = await run(["sh", "-c", "mknod /dev/nvidiactl c 195 255; cat < /dev/nvidiactl"], {
      devices: ["/dev/fuse"],
    });
    expect(made.stderr).toContain("Operation not permitted");
  });
});
