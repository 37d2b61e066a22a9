import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Job } from "../../src/compile/job.ts";
import { mountOptions } from "../../src/compile/mount-options.ts";
import { compileCreate } from "../../src/compile/runtime/create.ts";
import type { Lifecycle } from "../../src/compile/runtime/lifecycle.ts";
import type { Spec } from "../../src/compile/spec.ts";
import type { HostFacts } from "../../src/host/facts.ts";
import { groupPlace } from "../../src/oci/cgroups-path.ts";
import { checkSpec } from "../../src/oci/checks.ts";
import { ConfigError, parseJson, parseSpec } from "../../src/oci/config.ts";
import { directoryOf } from "../../src/oci/places.ts";
import { encode } from "../../src/program/encode.ts";
import { CaissonError } from "../../src/values/errors.ts";
import { specOf } from "../conformance/bundle.ts";

const facts: HostFacts = {
  ...{ arch: "x86_64", kernel: [6, 1], uid: 0, gid: 0, mounts: [], ownGroups: {}, bounding: [], kernelFiles: {} },
};
const inherit = { kind: "inherit" } as const;
const job: Job = {
  ...{ name: "x", root: { kind: "directory" }, scratch: "/run/x", directories: {}, existing: [] },
  stdio: [inherit, inherit, inherit],
  ...{ init: false, idle: false, timeoutMs: -1, cgroup: { groups: [] } },
  report: { to: "runtime", after: ["/x"], fd: 9 },
};
const lifecycle: Lifecycle = {
  ...{ id: "x", bundle: "/b", directory: "/run/x/x", state: "{}", annotations: {}, ociVersion: "1.0.0" },
  ...{ mode: "create", keep: true, subreaper: false, caller: { preserve: 0 }, hooks: { environment: [], files: [] } },
  warning: (message) => ({ line: message }),
};
const compiled = (spec: Spec) =>
  encode(compileCreate({ ...spec, root: { path: "/r" } }, facts, job, "/dev/shm/x", lifecycle)).length;

const said: string[] = [];
const say = (message: string) => said.push(message);

const plain = specOf(["true"]);

/** A valid configuration in which one place has been replaced by anything. */
const mutated = fc.tuple(fc.jsonValue({ maxDepth: 3 }), fc.infiniteStream(fc.nat())).map(([value, steps]) => {
  const copy = structuredClone(plain) as unknown as Record<string, unknown>;
  let at: Record<string, unknown> = copy;
  for (;;) {
    const keys = Object.keys(at);
    const key = keys[(steps.next().value ?? 0) % Math.max(1, keys.length)];
    if (key === undefined) return copy;
    const next = at[key];
    if (next === null || typeof next !== "object" || (steps.next().value ?? 0) % 3 === 0) {
      at[key] = value;
      return copy;
    }
    at = next as Record<string, unknown>;
  }
});

describe("config.json", () => {
  test("whatever is in it, it is refused in words or compiled", () => {
    let accepted = 0;
    fc.assert(
      fc.property(mutated, (config) => {
        try {
          const spec = parseSpec(config, say);
          checkSpec(spec);
          expect(compiled(spec)).toBeGreaterThan(1000);
          accepted++;
        } catch (e) {
          if (!(e instanceof CaissonError)) throw e;
          expect(e.message.length).toBeGreaterThan(5);
        }
      }),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  test("what is wrong is named: field, value, what was expected", () => {
    const wrong: [object, RegExp][] = [
      [{ ...plain, ociVersion: "2.0.0" }, /^ociVersion: "2.0.0" is not version 1/],
      [{ ...plain, ociVersion: undefined }, /^ociVersion: required, but missing/],
      [{ ...plain, process: { ...plain.process, cwd: "x" } }, /^process\.cwd: "x" is not an absolute path/],
      [
        { ...plain, process: { ...plain.process, user: { uid: -1 } } },
        /^process\.user\.uid: -1 is not an id from 0 to/,
      ],
      [
        { ...plain, linux: { namespaces: [{ type: "pidd" }] } },
        /^linux\.namespaces\.0\.type: "pidd" is not one of pid,/,
      ],
      [
        { ...plain, linux: { resources: { memory: { limit: "1" } } } },
        /^linux\.resources\.memory\.limit: "1" is not a whole/,
      ],
      [{ ...plain, mounts: [{}] }, /^mounts\.0\.destination: required, but missing/],
      [{ ...plain, hooks: { poststop: [{ path: "x" }] } }, /^hooks\.poststop\.0\.path: "x" is not an absolute path/],
    ];
    for (const [config, message] of wrong) expect(() => parseSpec(config, say)).toThrow(message);
  });

  test("words that every object of JavaScript has are words like others", () => {
    for (const word of ["constructor", "toString", "__proto__"]) {
      expect(mountOptions({ destination: "/x", type: "tmpfs", options: [word, `r${word}`] }).data).toEqual([
        word,
        `r${word}`,
      ]);
      const seccomp = { defaultAction: "SCMP_ACT_ALLOW", architectures: [word] };
      expect(() => parseSpec({ ...plain, linux: { ...plain.linux, seccomp } }, say)).toThrow(/is not an architecture/);
    }
  });

  test("a namespace with an empty path is a new one", () => {
    const linux = { namespaces: [{ type: "pid", path: "" }] };
    expect(parseSpec({ ...plain, linux }, () => {}).linux?.namespaces).toEqual([{ type: "pid" }]);
    const wrong = { namespaces: [{ type: "pid", path: "relative" }] };
    expect(() => parseSpec({ ...plain, linux: wrong }, () => {})).toThrow(
      /namespaces.0.path: "relative" is not an absolute path/,
    );
  });

  test("contradictions are refused", () => {
    const kinds = (types: string[]) => types.map((type) => ({ type }));
    const wrong: [object, RegExp][] = [
      [{ ...plain, root: undefined }, /^root: required/],
      [{ ...plain, process: undefined }, /^process: required/],
      [{ ...plain, linux: { namespaces: kinds(["mount"]) } }, /^hostname: without a UTS/],
      [
        { ...plain, linux: { ...plain.linux, sysctl: { "kernel.hostname": "x" } } },
        /^linux.sysctl.kernel.hostname: the hostname is set by/,
      ],
      [
        { ...plain, mounts: [], linux: { namespaces: kinds(["uts"]), maskedPaths: ["/proc/kcore"] } },
        /^linux.maskedPaths: without a mount namespace/,
      ],
      [
        { ...plain, linux: { namespaces: kinds(["mount", "uts", "user"]) } },
        /^linux\.uidMappings: a new user namespace/,
      ],
      [
        { ...plain, linux: { ...plain.linux, sysctl: { "kernel.panic": "1" } } },
        /^linux\.sysctl\.kernel\.panic: it is of the whole/,
      ],
      [{ ...plain, linux: { ...plain.linux, timeOffsets: { monotonic: { secs: 1 } } } }, /^linux\.timeOffsets/],
      [
        { ...plain, linux: { ...plain.linux, seccomp: { defaultAction: "SCMP_ACT_NOTIFY" } } },
        /^linux\.seccomp\.listenerPath/,
      ],
    ];
    for (const [config, message] of wrong) expect(() => checkSpec(parseSpec(config, say))).toThrow(message);
  });

  test("JSON that is none, too deep, or has numbers beyond 2^53", () => {
    expect(() => parseJson("{", "config.json")).toThrow(ConfigError);
    const deep = `${"[".repeat(200_000)}${"]".repeat(200_000)}`;
    expect(() => parseSpec(parseJson(deep, "config.json"), say)).toThrow(CaissonError);
    const nested = `{"ociVersion":"1.0.0","annotations":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`;
    expect(() => parseSpec(parseJson(nested, "config.json"), say)).toThrow(CaissonError);
    const limits = '[{"type":"RLIMIT_CORE","soft":18446744073709551615,"hard":18446744073709551615}]';
    const text = JSON.stringify({ ...plain, process: { ...plain.process, rlimits: "HERE" } }).replace('"HERE"', limits);
    expect(parseSpec(parseJson(text, "x"), say).process?.rlimits?.[0]?.hard).toBe(18446744073709551615n);
  });
});

describe("ids and paths of control groups", () => {
  test("an id cannot lead anywhere", () => {
    for (const id of ["", ".", "..", "a/b", "../x", "x".repeat(5000), "a b", "a\nb", "a\0b"])
      expect(() => directoryOf("/run/r", id)).toThrow(/^ID: /);
    expect(directoryOf("/run/r", "web_1.x-y@z:2")).toBe("/run/r/web_1.x-y@z:2");
  });
  test("cgroupsPath of both kinds", () => {
    const plainly = { top: "" };
    const systemd = { manager: "system", top: "" } as const;
    expect(groupPlace("/docker/abc", "x", plainly).path).toBe("/docker/abc");
    expect(groupPlace("machine/abc", "x", plainly).path).toBe("/machine/abc");
    expect(groupPlace(undefined, "x", plainly).path).toBe("/x");
    for (const bad of ["/", "..", "/a/../b", "/a b"])
      expect(() => groupPlace(bad, "x", plainly)).toThrow(/cgroupsPath/);
    expect(groupPlace("kube-pods.slice:cri:abc", "x", systemd)).toEqual({
      path: "/kube.slice/kube-pods.slice/cri-abc.scope",
      unit: { manager: "system", name: "cri-abc.scope", slice: "kube-pods.slice" },
    });
    const user = { manager: "user", top: "/user.slice/user-7.slice/user@7.service" } as const;
    expect(groupPlace("user.slice:libpod:abc", "x", user)).toEqual({
      path: "/user.slice/user-7.slice/user@7.service/user.slice/libpod-abc.scope",
      unit: { manager: "user", name: "libpod-abc.scope", slice: "user.slice" },
    });
    expect(groupPlace(undefined, "x", systemd).path).toBe("/system.slice/caisson-x.scope");
    for (const bad of ["a:b", "x.slice:a:b:c", "-.x:a:b", "a--b.slice:c:d"])
      expect(() => groupPlace(bad, "x", systemd)).toThrow(/cgroupsPath/);
  });

  test("capabilities that nobody knows are told of, and left out", () => {
    said.length = 0;
    const spec = parseSpec(
      { ...plain, process: { ...plain.process, capabilities: { bounding: ["CAP_KILL", "CAP_X"] } } },
      say,
    );
    expect(spec.process?.capabilities).toEqual({ bounding: ["CAP_KILL"] });
    expect(said).toEqual(["unknown capabilities are ignored: CAP_X"]);
  });
});
