import { existsSync, writeFileSync } from "node:fs";
import { defaultMaskedPaths, defaultReadonlyPaths, standardMounts } from "../compile/defaults.ts";
import type { NamespaceKind, Spec } from "../compile/spec.ts";
import { MAX_VERSION } from "./features.ts";
import { RuntimeError } from "./places.ts";

/** On v1, as from other runtimes, it is to be asked for: there engines and tests look for their paths in /proc/self/cgroup. */
const cgroup = (): NamespaceKind[] => (existsSync("/sys/fs/cgroup/cgroup.controllers") ? ["cgroup"] : []);

const capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

/** A configuration to begin with: a shell in a container that shares nothing. */
export function template(rootless: boolean): Spec {
  const network: NamespaceKind[] = rootless ? [] : ["network"];
  const kinds: NamespaceKind[] = ["pid", ...network, "ipc", "uts", "mount", ...cgroup()];
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const mounts = standardMounts({ bindSys: rootless, ttyGroup: !rootless });
  return {
    ociVersion: MAX_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "caisson",
    mounts: [
      ...mounts,
      ...(rootless
        ? []
        : [
            {
              destination: "/sys/fs/cgroup",
              type: "cgroup",
              source: "cgroup",
              options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
            },
          ]),
    ],
    linux: {
      ...(rootless && {
        uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
        gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
      }),
      ...(!rootless && { resources: { devices: [{ allow: false, access: "rwm" }] } }),
      namespaces: [...kinds, ...(rootless ? (["user"] as const) : [])].map((type) => ({ type })),
      maskedPaths: defaultMaskedPaths,
      readonlyPaths: defaultReadonlyPaths,
    },
  };
}

export function writeTemplate(path: string, rootless: boolean): number {
  if (existsSync(path)) throw new RuntimeError(`${path}: exists already; remove it first`);
  writeFileSync(path, `${JSON.stringify(template(rootless), null, 2)}\n`, { mode: 0o666 });
  return 0;
}
