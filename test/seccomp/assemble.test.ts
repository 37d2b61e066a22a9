import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Seccomp } from "../../src/compile/spec.ts";
import { defaultCapabilities } from "../../src/container/capabilities.ts";
import { syscallNumber, syscallTable } from "../../src/kernel/arch.ts";
import { architectures, nativeArchitecture } from "../../src/seccomp/architectures.ts";
import { assemble } from "../../src/seccomp/assemble.ts";
import { filterBytes, interpret } from "../../src/seccomp/bpf.ts";
import { decide } from "../../src/seccomp/decide.ts";
import { actionValue } from "../../src/seccomp/decision.ts";
import { defaultProfile, prebuiltFilter } from "../../src/seccomp/profile.ts";

const x64 = nativeArchitecture("x86_64");
const ALLOW = actionValue("SCMP_ACT_ALLOW");
const EPERM = actionValue("SCMP_ACT_ERRNO");
const call = (name: string, args: bigint[] = []) => ({ arch: x64.audit, nr: syscallNumber("x86_64", name), args });

const ENOSYS = actionValue("SCMP_ACT_ERRNO", 38);

test("each number gets the decision of its rule, others the default, and those behind all of them ENOSYS", () => {
  const names = [...syscallTable("x86_64").keys()];
  fc.assert(
    fc.property(fc.uniqueArray(fc.constantFrom(...names)), (allowed) => {
      const filter = assemble(
        { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: allowed, action: "SCMP_ACT_ALLOW" }] },
        x64,
      );
      const last = Math.max(...allowed.map((name) => syscallNumber("x86_64", name)));
      for (const name of names) {
        const { nr } = call(name);
        const expected = allowed.includes(name) ? ALLOW : allowed.length && nr > last ? ENOSYS : EPERM;
        expect(interpret(filter, call(name))).toBe(expected);
      }
    }),
    { numRuns: 20 },
  );
});

test("what kills by default kills for calls that it does not know of, too", () => {
  const filter = assemble(
    { defaultAction: "SCMP_ACT_KILL_PROCESS", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW" }] },
    x64,
  );
  expect(interpret(filter, { arch: x64.audit, nr: 4000, args: [] })).toBe(actionValue("SCMP_ACT_KILL_PROCESS"));
});

test("one argument compared twice: either will do; different ones: all of them", () => {
  const equals = (index: number, value: number) => ({ index, value, op: "SCMP_CMP_EQ" as const });
  const ruled = (...args: ReturnType<typeof equals>[]): Seccomp => ({
    defaultAction: "SCMP_ACT_ERRNO",
    syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args }],
  });
  const either = ruled(equals(0, 5), equals(0, 7), equals(1, 9));
  const both = ruled(equals(0, 5), equals(1, 9));
  for (const args of [[5n], [7n], [5n, 9n], [1n, 9n], [1n, 1n]]) {
    const wanted = args[0] === 5n || args[0] === 7n || args[1] === 9n;
    expect(interpret(assemble(either, x64), call("read", args))).toBe(wanted ? ALLOW : EPERM);
    expect(decide(either, "read", args).action).toBe(wanted ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO");
    expect(interpret(assemble(both, x64), call("read", args))).toBe(args[0] === 5n && args[1] === 9n ? ALLOW : EPERM);
  }
});

const operators: Record<string, (a: bigint, v: bigint) => boolean> = {
  SCMP_CMP_EQ: (a, v) => a === v,
  SCMP_CMP_NE: (a, v) => a !== v,
  SCMP_CMP_LT: (a, v) => a < v,
  SCMP_CMP_LE: (a, v) => a <= v,
  SCMP_CMP_GT: (a, v) => a > v,
  SCMP_CMP_GE: (a, v) => a >= v,
};
const word = fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.constantFrom(0n, 1n, 2n ** 32n, 2n ** 32n - 1n));

test("comparisons of 64-bit arguments", () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(operators)), word, word, (op, argument, value) => {
      const seccomp = {
        defaultAction: "SCMP_ACT_ERRNO",
        syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args: [{ index: 1, value, op }] }],
      } as Seccomp;
      const expected = operators[op]?.(argument, value) ? ALLOW : EPERM;
      expect(interpret(assemble(seccomp, x64), call("read", [0n, argument]))).toBe(expected);
    }),
  );
});

test("masked comparison", () => {
  const args = [{ index: 0, value: 0xf0, valueTwo: 0x30, op: "SCMP_CMP_MASKED_EQ" as const }];
  const filter = assemble(
    { defaultAction: "SCMP_ACT_ERRNO", syscalls: [{ names: ["read"], action: "SCMP_ACT_ALLOW", args }] },
    x64,
  );
  expect(interpret(filter, call("read", [0x3fn]))).toBe(ALLOW);
  expect(interpret(filter, call("read", [0x4fn]))).toBe(EPERM);
  expect(interpret(filter, call("read", [0x1_0000_0030n]))).toBe(ALLOW);
});

test("the default profile", () => {
  const filter = assemble(defaultProfile("x86_64", defaultCapabilities), x64);
  for (const name of ["read", "execve", "openat", "futex", "clone", "chroot"])
    expect(interpret(filter, call(name))).toBe(ALLOW);
  for (const name of [
    "mount",
    "bpf",
    "keyctl",
    "init_module",
    "reboot",
    "setns",
    "unshare",
    "io_uring_setup",
    "userfaultfd",
  ])
    expect(interpret(filter, call(name))).toBe(EPERM);
  expect(interpret(filter, call("clone", [0x10000000n]))).toBe(EPERM);
  expect(interpret(filter, call("clone3"))).toBe(actionValue("SCMP_ACT_ERRNO", 38));
  expect(interpret(filter, call("ioctl", [0n, 0x5412n]))).toBe(EPERM);
  expect(interpret(filter, call("ioctl", [0n, 0x5401n]))).toBe(ALLOW);
  expect(interpret(filter, call("socket", [40n]))).toBe(EPERM);
  expect(interpret(filter, call("socket", [2n]))).toBe(ALLOW);
});

test("another architecture's calls are judged by its own numbers, an unlisted one's are fatal", () => {
  const filter = assemble(defaultProfile("x86_64", defaultCapabilities), x64);
  const i386 = architectures.find((a) => a.name === "SCMP_ARCH_X86");
  expect(interpret(filter, { arch: i386?.audit ?? 0, nr: i386?.table().get("mount") ?? 0, args: [] })).toBe(EPERM);
  expect(interpret(filter, { arch: i386?.audit ?? 0, nr: i386?.table().get("read") ?? 0, args: [] })).toBe(ALLOW);
  expect(interpret(filter, { arch: 0xc00000b7, nr: 0, args: [] })).toBe(actionValue("SCMP_ACT_KILL_PROCESS"));
  expect(interpret(filter, { arch: x64.audit, nr: 0x40000000, args: [] })).toBe(actionValue("SCMP_ACT_ERRNO", 38));
});

test("the prebuilt filters are what the assembler makes", () => {
  for (const arch of ["x86_64", "aarch64"] as const) {
    const profile = defaultProfile(arch, defaultCapabilities);
    expect(Buffer.from(prebuiltFilter(profile) ?? []).toString("hex")).toBe(
      Buffer.from(filterBytes(assemble(profile, nativeArchitecture(arch)))).toString("hex"),
    );
  }
});
