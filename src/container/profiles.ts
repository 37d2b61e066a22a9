import { InvalidOptionError } from "../values/errors.ts";
import type { ContainerOptions } from "./options.ts";

/** Sets of options for a purpose. What is given besides has precedence; `explain` shows what comes of it. */
export type ProfileName = "untrusted" | "build" | "service" | "system" | "privileged";

const profiles: Readonly<Record<ProfileName, (root: boolean) => ContainerOptions>> = {
  /** Code that nobody has read: nobody's rights, ids of its own, no network, little memory, nothing to write to but /tmp. */
  untrusted: (root) => ({
    user: root ? "65534:65534" : "0",
    workdir: "/tmp",
    capDrop: ["ALL"],
    ...(root && { namespaces: { user: "auto" } }),
    network: "none",
    readOnly: true,
    tmpfs: { "/tmp": "size=256m,mode=1777" },
    memory: "1G",
    cpus: 1,
    pidsLimit: 256,
    ulimits: { core: 0, nofile: 1024 },
  }),
  /** A build or a test: the network, and a first process for what it leaves behind. */
  build: (root) => ({ init: true, network: root ? "bridge" : "none", pidsLimit: 8192 }),
  /** A server: a root that cannot be changed, no capability but for low ports. */
  service: (root) => ({
    init: true,
    readOnly: true,
    tmpfs: { "/tmp": "mode=1777" },
    network: root ? "bridge" : "none",
    capDrop: ["ALL"],
    capAdd: ["NET_BIND_SERVICE"],
    pidsLimit: 4096,
  }),
  /** A whole system, with an init such as systemd for its first process: what its "Container Interface" asks for. */
  system: (root) => ({
    cgroups: "delegate",
    env: { container: "caisson" },
    tmpfs: { "/run": "mode=755", "/run/lock": "mode=1777,size=5m", "/tmp": "mode=1777" },
    // Its users have sudo(8) and the like.
    noNewPrivileges: false,
    ...(root && { namespaces: { user: "auto" } }),
    network: root ? "bridge" : "none",
    labels: { "org.opencontainers.image.stopSignal": "RTMIN+3" },
  }),
  /** As strong as who starts it: for what administers the machine. */
  privileged: () => ({
    limits: { devices: { default: "allow" } },
    capAdd: ["ALL"],
    seccomp: "unconfined",
    noNewPrivileges: false,
    unmask: true,
  }),
};

export const profileNames = Object.keys(profiles) as readonly ProfileName[];

/** The options with those of their profile below them. */
export function withProfile(o: ContainerOptions, root: boolean): ContainerOptions {
  if (o.profile === undefined) return o;
  if (!profileNames.includes(o.profile))
    throw new InvalidOptionError("profile", o.profile, `one of ${profileNames.join(", ")}`);
  const base = profiles[o.profile](root);
  const both = (["tmpfs", "env", "labels"] as const).filter((key) => base[key] && o[key]);
  return { ...base, ...o, ...Object.fromEntries(both.map((key) => [key, { ...base[key], ...o[key] }])) };
}
