import { describe, expect, test } from "bun:test";
import { checkedProfile } from "../../src/container/seccomp.ts";
import type { Circumstances } from "../../src/seccomp/engine-profile.ts";

const here: Circumstances = { arch: "x86_64", kernel: [5, 10], bounding: ["CAP_KILL", "CAP_CHOWN"] };
const rule = (name: string, more: object = {}) => ({ names: [name], action: "SCMP_ACT_ALLOW", ...more });
const names = (rules: readonly object[], c = here) =>
  checkedProfile({ defaultAction: "SCMP_ACT_ERRNO", syscalls: rules }, c).syscalls?.flatMap((r) => r.names);

describe("profiles in the format of engines", () => {
  test("a rule for who has a capability is for no one else", () => {
    const rules = [
      rule("mount", { includes: { caps: ["CAP_SYS_ADMIN"] } }),
      rule("kill", { includes: { caps: ["CAP_KILL"] } }),
      rule("both", { includes: { caps: ["CAP_KILL", "CAP_SYS_ADMIN"] } }),
      rule("clone", { excludes: { caps: ["CAP_SYS_ADMIN", "CAP_CHOWN"] } }),
      rule("clone3", { excludes: { caps: ["CAP_SYS_ADMIN"] } }),
    ];
    expect(names(rules)).toEqual(["kill", "clone3"]);
    expect(names(rules, { ...here, bounding: ["CAP_SYS_ADMIN"] })).toEqual(["mount"]);
  });

  test("architectures and versions of the kernel", () => {
    const rules = [
      rule("arch_prctl", { includes: { arches: ["amd64", "x32"] } }),
      rule("breakpoint", { includes: { arches: ["arm64"] } }),
      rule("old", { excludes: { minKernel: "4.8" } }),
      rule("same", { includes: { minKernel: "5.10" } }),
      rule("new", { includes: { minKernel: "5.11" } }),
      rule("nothing said", { includes: {}, excludes: { caps: null }, args: null, comment: "" }),
    ];
    expect(names(rules)).toEqual(["arch_prctl", "same", "nothing said"]);
    expect(names(rules, { ...here, arch: "aarch64", kernel: [4, 7] })).toEqual(["breakpoint", "old", "nothing said"]);
  });

  test("architectures that go with this one, and the older way to name one call", () => {
    const profile = checkedProfile(
      {
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 38,
        archMap: [
          { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
          { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
        ],
        syscalls: [
          { name: "read", action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 2n ** 63n, op: "SCMP_CMP_EQ" }] },
        ],
      },
      here,
    );
    expect(profile).toEqual({
      defaultAction: "SCMP_ACT_ERRNO",
      defaultErrnoRet: 38,
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
      syscalls: [
        { names: ["read"], action: "SCMP_ACT_ALLOW", args: [{ index: 0, value: 2n ** 63n, op: "SCMP_CMP_EQ" }] },
      ],
    });
  });

  test("the same object is looked at once for the same circumstances", () => {
    const given = { defaultAction: "SCMP_ACT_ALLOW" };
    expect(checkedProfile(given, here)).toBe(checkedProfile(given, { ...here }));
    expect(checkedProfile(given, { ...here, bounding: [] })).not.toBe(checkedProfile(given, here));
  });

  test.each([
    [{ foo: 1 }, "seccomp: defaultAction: required, but missing"],
    [{ defaultAction: "allow" }, 'defaultAction: "allow" is not one of SCMP_ACT_ALLOW'],
    [{ defaultAction: "SCMP_ACT_LOG", syscalls: [{ names: ["a"] }] }, "syscalls.0.action: required, but missing"],
    [
      { defaultAction: "SCMP_ACT_LOG", syscalls: [rule("a", { name: "b" })] },
      "is not a rule with name or names, not both",
    ],
    [
      { defaultAction: "SCMP_ACT_LOG", architectures: ["SCMP_ARCH_X86"], archMap: [{ architecture: "SCMP_ARCH_X86" }] },
      "is not a profile with architectures or archMap, not both",
    ],
    [
      { defaultAction: "SCMP_ACT_LOG", syscalls: [rule("a", { includes: { minKernel: "new" } })] },
      'syscalls.0.includes.minKernel: "new" is not a version',
    ],
    [
      { defaultAction: "SCMP_ACT_LOG", syscalls: [rule("a", { args: [{ index: 6, value: 0, op: "SCMP_CMP_EQ" }] })] },
      "index: 6",
    ],
  ])("%j is refused by name", (profile, message) => {
    expect(() => checkedProfile(profile, here)).toThrow(message);
  });
});
