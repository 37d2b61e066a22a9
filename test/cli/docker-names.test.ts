import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { toContainerOptions } from "../../src/cli/options.ts";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

test("what Docker's words mean here", () => {
  const of = (v: Parameters<typeof toContainerOptions>[0]) => toContainerOptions(v);
  expect(of({ "pids-limit": "0" }).pidsLimit).toBeUndefined();
  expect(of({ "pids-limit": "-1" }).pidsLimit).toBeUndefined();
  expect(of({ "pids-limit": "7" }).pidsLimit).toBe("7");
  expect(of({ memory: "0", cpus: "0" })).not.toHaveProperty("memory");
  expect(of({ memory: "0", cpus: "0" })).not.toHaveProperty("cpus");
  if (!existsSync("/sys/fs/selinux/enforce"))
    expect(of({ volume: ["/a:/b:Z,ro", "/c:/d:z"] }).volumes).toEqual({
      "/b": { source: "/a", readOnly: true },
      "/d": { source: "/c", readOnly: false },
    });
  expect(of({ privileged: true }).profile).toBe("privileged");
  expect(() => of({ privileged: true, profile: "build" })).toThrow("--profile");
  expect(of({ umask: "077" }).umask).toBe(0o077);
  expect(() => of({ umask: "89" })).toThrow('--umask: "89" is not an octal number');
  expect(of({ "security-opt": ["label=disable", "label:disable"] }).selinuxLabel).toBeUndefined();
  expect(of({ "security-opt": ["label=a:b:c:d"] }).selinuxLabel).toBe("a:b:c:d");
  const free = existsSync("/sys/kernel/security/apparmor") ? "unconfined" : undefined;
  expect(of({ "security-opt": ["apparmor=unconfined"] }).apparmorProfile).toBe(free as string);
  expect(of({ gpus: "all" }).gpus).toBe("all");
  expect(of({ gpus: "2" }).gpus).toBe(2);
  expect(of({ gpus: '"device=0,GPU-x"' }).gpus).toEqual(["0", "GPU-x"]);
});

test("a file of variables: with values, by name alone, and comments", () => {
  const file = join(mkdtempSync(join(tmpdir(), "caisson-env-")), "env");
  process.env["CAISSON_TEST_OWN"] = "mine";
  try {
    writeFileSync(file, "# no\n\n  A=1 # yes\r\nCAISSON_TEST_OWN\nCAISSON_TEST_NONE\nB==\n");
    const of = (...env: string[]) => toContainerOptions({ "env-file": [file], env }).env;
    expect(of()?.["B"]).toBe("=");
    expect(of("B=2", "CAISSON_TEST_NONE")).toEqual({ A: "1 # yes", CAISSON_TEST_OWN: "mine", B: "2" });
    writeFileSync(file, "=x\n");
    expect(() => of()).toThrow("--env-file");
  } finally {
    delete process.env["CAISSON_TEST_OWN"];
    rmSync(dirname(file), { recursive: true });
  }
});

test.skipIf(!isRoot)(
  "they are felt: umask, the size of /dev/shm, freedom from modules that are not there",
  async () => {
    const words = [
      "--umask",
      "077",
      "--shm-size",
      "3m",
      "--security-opt",
      "label=disable",
      "--security-opt",
      "apparmor=unconfined",
    ];
    const r = await sh(
      "run",
      ...words,
      "--",
      "sh",
      "-c",
      "umask; df -k /dev/shm | tail -1; grep -c ' /dev/shm ' /proc/self/mountinfo; echo x > /dev/shm/x",
    );
    expect([r.code, r.err]).toEqual([0, ""]);
    expect(r.out).toMatch(/^0077\n(shm|tmpfs)/);
    expect(r.out).toMatch(/ 3072 /);
    expect(r.out).toMatch(/\n1\n$/);
  },
);

test.skipIf(!isRoot)("a number below zero is a value; a user or a group may be left out", async () => {
  const felt = "grep -E '^Max (pro|op)' /proc/self/limits | wc -l; cat /proc/self/oom_score_adj; id -u; id -g";
  const r = await sh(
    "run",
    "--pids-limit",
    "-1",
    "-m",
    "64M",
    "--memory-swap",
    "-1",
    "-u",
    ":7",
    "--",
    "sh",
    "-c",
    felt,
  );
  expect(r).toMatchObject({ code: 0, out: "2\n0\n0\n7\n" });
  expect(await sh("run", "-u", "12:", "--", "id", "-u")).toMatchObject({ code: 0, out: "12\n" });
  expect((await sh("run", "-u", "", "--", "true")).err).toContain('user: "" is not a user');
  // A word of the command's own is none.
  expect(await sh("run", "--", "echo", "--pids-limit", "-1")).toMatchObject({ out: "--pids-limit -1\n" });
});

test.skipIf(!isRoot)("a host name is refused where it would be another's", async () => {
  const { code, err } = await sh("run", "--uts", "host", "--hostname", "x", "--", "hostname");
  expect(err).toBe('caisson: hostname: "x" is not of use without a UTS namespace of the container\'s own\n');
  const domain = (...words: string[]) =>
    sh("run", "--domainname", ...words, "--", "cat", "/proc/sys/kernel/domainname");
  expect((await domain("d.example")).out).toBe("d.example\n");
  expect((await domain("d.example", "--uts", "host")).err).toContain("domainname: ");
  expect((await domain("d example")).err).toContain("is not a domain name of letters");
  expect(code).toBe(125);
});
