import { expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../../src/compile/compile.ts";
import { standardMounts } from "../../src/compile/defaults.ts";
import type { Job } from "../../src/compile/job.ts";
import type { Spec } from "../../src/compile/spec.ts";
import type { HostFacts } from "../../src/host/facts.ts";
import { explainText } from "../../src/program/explain.ts";

/** Whole programs as text, from made-up facts: no root, no kernel. `UPDATE_GOLDEN=1` writes them anew. */
function golden(name: string, text: string): void {
  const path = join(import.meta.dir, "golden", `${name}.txt`);
  if (process.env["UPDATE_GOLDEN"]) writeFileSync(path, `${text}\n`);
  expect(existsSync(path)).toBe(true);
  expect(`${text}\n`).toBe(readFileSync(path, "utf8"));
}

const facts: HostFacts = {
  arch: "x86_64",
  kernel: [6, 1],
  uid: 0,
  gid: 0,
  mounts: [],
  ownGroups: {},
  bounding: ["CAP_MKNOD"],
  kernelFiles: {
    "/proc/kcore": "file",
    "/sys/firmware": "directory",
    "/proc/asound": "missing",
    "/proc/sys": "directory",
  },
};

const spec: Spec = {
  ociVersion: "1.3.0",
  hostname: "box",
  root: { path: "/srv/root" },
  mounts: standardMounts({ bindSys: false, ttyGroup: true }),
  process: {
    user: { uid: 1000, gid: 1000 },
    args: ["sh", "-c", "true"],
    env: ["PATH=/usr/bin:/bin"],
    cwd: "/work",
    capabilities: { bounding: ["CAP_KILL"], effective: [], permitted: [], inheritable: [], ambient: [] },
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 64, hard: 64 }],
    noNewPrivileges: true,
  },
  linux: {
    namespaces: (["pid", "mount", "ipc", "uts", "network", "cgroup"] as const).map((type) => ({ type })),
    maskedPaths: ["/proc/kcore", "/proc/asound", "/sys/firmware", "/proc/unknown"],
    readonlyPaths: ["/proc/sys"],
  },
};

const job: Job = {
  name: "box",
  root: { kind: "directory" },
  scratch: "/run/caisson",
  directories: {},
  existing: ["/proc", "/sys", "/dev"],
  stdio: [{ kind: "inherit" }, { kind: "inherit" }, { kind: "inherit" }],
  init: false,
  idle: false,
  timeoutMs: -1,
  cgroup: { groups: [] },
  report: { to: "nobody" },
};

test("a container on a directory", () => golden("directory", explainText(compile(spec, facts, job))));

test("the same, its network namespace made beside the mounts", () =>
  golden("beside", explainText(compile(spec, facts, { ...job, alone: true }))));

test("a copy-on-write root, kept, in a user namespace with a memory limit of v1", () => {
  const users = [{ containerID: 0, hostID: 100000, size: 65536 }];
  const namespaces = [...(spec.linux?.namespaces ?? []), { type: "user" as const }];
  const linux = { ...spec.linux, namespaces, uidMappings: users, gidMappings: users };
  const group = { path: "/sys/fs/cgroup/memory/caisson-box", parents: [], prepare: [], unified: false };
  const writes = [{ file: "memory.limit_in_bytes", text: "67108864" }];
  const cgroup = { groups: [{ ...group, writes, reads: [{ key: "memory.peak", file: "memory.max_usage_in_bytes" }] }] };
  const overlay = {
    ...job,
    root: { kind: "overlay", keep: "/var/lib/caisson/box/changes" },
    cgroup,
    init: true,
  } as const;
  golden("overlay-userns", explainText(compile({ ...spec, linux, root: { path: "/" } }, facts, overlay)));
});

test("the same input gives the same program", () => {
  expect(explainText(compile(spec, facts, job))).toBe(explainText(compile(spec, facts, job)));
});
