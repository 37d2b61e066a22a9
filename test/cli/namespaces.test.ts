import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, readlinkSync, rmSync } from "node:fs";
import { sh } from "../helpers/command.ts";
import { isRoot } from "../helpers/machine.ts";

const name = "ns-test";
beforeAll(async () => {
  if (isRoot)
    expect((await sh("run", "-d", "--rm", "--name", name, "--workdir", "/", "--", "sleep", "60")).err).toBe("");
});
afterAll(async () => {
  if (isRoot) await sh("kill", name);
});

test.skipIf(!isRoot)("enters some namespaces, with the host's files", async () => {
  const r = await sh(
    "exec",
    "--namespaces",
    "net,uts",
    name,
    "sh",
    "-c",
    "hostname; readlink /proc/self/ns/pid; cat /proc/1/comm",
  );
  expect(r.out).toBe(`${name}\n${readlinkSync("/proc/self/ns/pid")}\n${readFileSync("/proc/1/comm", "utf8")}`);
  expect((await sh("exec", "--namespaces", "all", name, "true")).err).toMatch(
    /--namespaces: "all" is not some of mount, uts/,
  );
});

test.skipIf(!isRoot)("inspect says which namespaces there are, and who shares them", async () => {
  const other = "ns-test-other";
  await sh(
    "run",
    "-d",
    "--rm",
    "--name",
    other,
    "--workdir",
    "/",
    "--ipc",
    `container:${name}`,
    "--uts",
    "host",
    "--",
    "sleep",
    "60",
  );
  try {
    const [one] = JSON.parse((await sh("inspect", name)).out);
    const [two] = JSON.parse((await sh("inspect", other)).out);
    expect(one.namespaces.ipc).toEqual({ inode: two.namespaces.ipc.inode, sharedWith: [other] });
    expect(two.namespaces.uts.host).toBe(true);
    expect(one.namespaces.uts.host).toBeUndefined();
  } finally {
    await sh("kill", other);
  }
});

test.skipIf(!isRoot)("lists the machine's namespaces as a tree, and as data", async () => {
  const text = (await sh("ns")).out;
  expect(text).toMatch(/^user:\[\d+\] {2}\d+ process/);
  expect(text).toMatch(new RegExp(`^ {2}pid:\\[\\d+\\] {2}1 process {2}${name}$`, "m"));
  const all = JSON.parse((await sh("ns", "--json")).out) as {
    kind: string;
    owner?: number;
    parent?: number;
    containers: string[];
  }[];
  const own = all.find((n) => n.kind === "pid" && n.containers.includes(name));
  const top = all.find((n) => n.kind === "user" && n.parent === undefined);
  expect(own?.owner).toBe((top as { inode?: number } | undefined)?.inode);
  expect(own?.parent).toBeGreaterThan(0);
});

test.skipIf(!isRoot)("a file that cannot be written is said before anything is started", async () => {
  for (const path of ["/nonexistent/profile", "/tmp", "/proc/profile"]) {
    const { code, err } = await sh("run", "--learn", path, "--", "true");
    expect([code, err]).toEqual([125, expect.stringContaining(`--learn: "${path}" is not a file that can be written`)]);
    expect((await sh("compile", "-o", path, "--", "true")).err).toContain(`--output: "${path}" is not a file`);
  }
});

test.skipIf(!isRoot)("learns a profile, and says what was refused", async () => {
  const file = `/tmp/caisson-learned-${process.pid}.json`;
  try {
    expect((await sh("run", "--learn", file, "--", "true")).code).toBe(0);
    expect((await sh("run", "--security-opt", `seccomp=${file}`, "--", "true")).code).toBe(0);
    expect((await sh("run", "--report-blocked", "--", "unshare", "-m", "true")).err).toMatch(
      /caisson: refused by its seccomp profile: unshare\(0x20000,/,
    );
    expect((await sh("run", "-d", "--view", "--", "true")).err).toMatch(/--detach: "true" is not of use/);
  } finally {
    rmSync(file, { force: true });
  }
});
