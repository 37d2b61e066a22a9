import { expect, test } from "bun:test";
import { chownSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseMountinfo } from "../../src/host/mountinfo.ts";
import { caisson } from "../helpers/command.ts";
import { isRoot, settled } from "../helpers/machine.ts";

/** A run by root that has not all of root's rights, which is what is in front of the command. */
async function by(prefix: readonly string[], ...words: string[]) {
  const p = Bun.spawn([...prefix, ...(prefix.includes("nsenter") ? [] : [caisson]), "run", ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([new Response(p.stdout).text(), new Response(p.stderr).text(), p.exited]);
  return { out, err, code };
}
const without = (...names: string[]) => ["setpriv", "--bounding-set", names.map((n) => `-${n}`).join(",")];
const BOUNDING = ["--", "sh", "-c", "grep CapBnd /proc/self/status"];

for (const name of ["chown", "fowner", "fsetid", "kill", "setuid", "net_bind_service", "sys_chroot", "setfcap"])
  test.skipIf(!isRoot)(`root without CAP_${name.toUpperCase()} has containers without it`, async () => {
    const [whole, less] = await Promise.all([by([], ...BOUNDING), by(without(name), ...BOUNDING)]);
    expect(less).toMatchObject({ code: 0, err: "" });
    const [had, has] = [whole, less].map(({ out }) => BigInt(`0x${out.split(":")[1]?.trim()}`)) as [bigint, bigint];
    expect((had ^ has).toString(2).replaceAll("0", "")).toBe("1");
  });

test.skipIf(!isRoot)("a capability that cannot be given is refused by its name, and nothing is left", async () => {
  const earlier = await settled();
  const { code, err } = await by(without("net_raw"), "--cap-add", "net_raw", "--", "true");
  expect(code).toBe(125);
  expect(err).toBe("caisson: capAdd: CAP_NET_RAW: this process lacks it in its own bounding set (capabilities(7))\n");
  expect(await settled()).toEqual(earlier);
});

test.skipIf(!isRoot)("what cannot be done without a capability is said with its name", async () => {
  const { code, err } = await by(without("net_admin"), "--", "true");
  expect(code).toBe(125);
  expect(err).toMatch(/CAP_NET_ADMIN/);
  expect(await by(without("net_admin"), "--network", "host", "--", "echo", "hello")).toMatchObject({ out: "hello\n" });
});

test.skipIf(!isRoot)("without CAP_MKNOD the machine's devices are bound", async () => {
  const { out } = await by(
    without("mknod"),
    "--",
    "sh",
    "-c",
    "echo hello > /dev/null && grep -c ' /dev/null ' /proc/self/mountinfo",
  );
  expect(out).toBe("1\n");
});

test.skipIf(!isRoot)("without CAP_SYS_ADMIN, or as the one user of a namespace, root is as anybody else", async () => {
  for (const prefix of [without("sys_admin"), ["unshare", "-Ur"], ["unshare", "-Urm"]]) {
    const { out, err } = await by(
      prefix,
      "--",
      "sh",
      "-c",
      "id -u; wc -l < /proc/self/uid_map; touch /usr/new && echo written",
    );
    expect({ out, err }).toEqual({ out: "0\n1\nwritten\n", err: "" });
  }
});

test.skipIf(!isRoot)("root of a user namespace with many ids has containers with all of them", async () => {
  const at = mkdtempSync(join(tmpdir(), "caisson-ids-"));
  chownSync(at, 100000, 100000);
  // The checkout may be where those ids have no way to.
  const own = join(at, "caisson");
  copyFileSync(caisson, own);
  const holder = Bun.spawn(["unshare", "-U", "-m", "sh", "-c", "echo; exec sleep 60"], { stdout: "pipe" });
  try {
    await holder.stdout.getReader().read();
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${holder.pid}/${map}`, "0 100000 65536\n");
    const enter = [
      "nsenter",
      "-t",
      String(holder.pid),
      "-U",
      "-m",
      "-S",
      "0",
      "-G",
      "0",
      "env",
      `CAISSON_ROOT=${at}/root`,
      own,
    ];
    const { out, err } = await by(
      enter,
      "-w",
      "/",
      "-u",
      "1",
      "--",
      "sh",
      "-c",
      "id -u; sed 's/ \\+/ /g' /proc/self/uid_map",
    );
    expect({ out, err }).toEqual({ out: "1\n 0 100000 65536\n", err: "" });
  } finally {
    holder.kill();
    rmSync(at, { recursive: true });
  }
});

const isStacked = parseMountinfo(readFileSync("/proc/self/mountinfo", "utf8")).some(
  (m) => m.point === "/" && m.type === "overlay",
);
const stacked = isStacked ? " (skipped: this machine's root is an overlay, and there are two of them at most)" : "";

for (const options of [["--rootless"], ["--userns", "auto"], ["--cgroups", "delegate"]])
  test.skipIf(!isRoot || isStacked)(`a container in one with ${options.join(" ")}${stacked}`, async () => {
    const inner = `mkdir -p /usr/a/b && CAISSON_ROOT=/inner ${caisson} run -w / -- sh -c 'rm -r /usr/a && mkdir /usr/a && ls -A /usr/a && echo hello'`;
    const volumes = ["-v", `${dirname(caisson)}:${dirname(caisson)}`, "--tmpfs", "/inner"];
    const { out } = await by([], ...options, "--privileged", ...volumes, "--", "sh", "-c", inner);
    expect(out).toBe("hello\n");
  });
