import { existsSync } from "node:fs";
import { hierarchies } from "../cgroups/layout.ts";
import { isSystemd } from "../cgroups/scope.ts";
import { hostFacts } from "../host/facts.ts";
import { readOr } from "../host/files.ts";
import { hostArch } from "../kernel/arch.ts";
import { capabilityNames } from "../kernel/capabilities.ts";
import { MPOL } from "../kernel/scheduling.ts";
import { engineLayout } from "./groups.ts";

/** features.md: what is true of this build, and of this kernel where it decides. */

const attributes =
  "ro rw nosuid suid nodev dev noexec exec noatime atime relatime norelatime strictatime nostrictatime nodiratime diratime nosymfollow symfollow".split(
    " ",
  );
const mountWords = [
  ...attributes,
  ...attributes.map((w) => `r${w}`),
  ..."shared slave private unbindable rshared rslave rprivate runbindable bind rbind remount idmap ridmap".split(" "),
  ..."copy-symlink src-nofollow dest-nofollow".split(" "),
  ..."tmpcopyup sync async dirsync lazytime nolazytime mand nomand silent loud defaults iversion noiversion".split(" "),
];

export const MIN_VERSION = "1.0.0";
export const MAX_VERSION = "1.3.0";

export function features(): object {
  const facts = hostFacts();
  const layout = engineLayout(facts);
  const all = hierarchies(layout);
  const archs =
    hostArch() === "x86_64"
      ? ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
      : ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"];
  const has = (file: string) => existsSync(`/proc/self/ns/${file}`);
  const kinds = {
    cgroup: "cgroup",
    ipc: "ipc",
    mount: "mnt",
    network: "net",
    pid: "pid",
    time: "time",
    user: "user",
    uts: "uts",
  };
  return {
    ociVersionMin: MIN_VERSION,
    ociVersionMax: MAX_VERSION,
    hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
    mountOptions: [...new Set(mountWords)].sort(),
    linux: {
      namespaces: Object.entries(kinds).flatMap(([kind, file]) => (has(file) ? [kind] : [])),
      capabilities: capabilityNames,
      cgroup: {
        v1: all.some((h) => h.version === "v1"),
        v2: all.some((h) => h.version === "v2"),
        systemd: isSystemd(),
        systemdUser: isSystemd(),
        rdma: "rdma" in layout.v1 || (layout.v2?.controllers.includes("rdma") ?? false),
      },
      seccomp: {
        enabled: existsSync("/proc/sys/kernel/seccomp"),
        actions: "KILL KILL_PROCESS KILL_THREAD TRAP ERRNO TRACE ALLOW LOG NOTIFY"
          .split(" ")
          .map((a) => `SCMP_ACT_${a}`),
        operators: "NE LT LE EQ GE GT MASKED_EQ".split(" ").map((o) => `SCMP_CMP_${o}`),
        archs,
        ...seccompFlags(),
      },
      apparmor: { enabled: readOr("/sys/module/apparmor/parameters/enabled")?.trim() === "Y" },
      selinux: { enabled: existsSync("/sys/fs/selinux/enforce") },
      intelRdt: { enabled: true, schemata: true, monitoring: true },
      memoryPolicy: { modes: Object.keys(MPOL.modes), flags: Object.keys(MPOL.flags) },
      mountExtensions: { idmap: { enabled: true } },
      netDevices: { enabled: true },
    },
    annotations: { "org.caisson.version": "0.1.0" },
  };
}

function seccompFlags() {
  const flags = ["TSYNC", "SPEC_ALLOW", "LOG", "WAIT_KILLABLE_RECV"].map((f) => `SECCOMP_FILTER_FLAG_${f}`);
  return { knownFlags: flags, supportedFlags: flags };
}
