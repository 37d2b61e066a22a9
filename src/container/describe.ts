import { resourcesOfLimits } from "../cgroups/oci.ts";
import type { CheckedLimits } from "../cgroups/table.ts";
import { DEFAULT_PATH } from "../compile/command.ts";
import { hasNew } from "../compile/context.ts";
import { defaultMaskedPaths, defaultReadonlyPaths, standardMounts } from "../compile/defaults.ts";
import type { Mount, Namespace, Spec } from "../compile/spec.ts";
import type { HostFacts } from "../host/facts.ts";
import { capabilityNames } from "../kernel/capabilities.ts";
import { defaultProfile } from "../seccomp/profile.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { Ulimit } from "../values/ulimits.ts";
import { parseDuration } from "../values/units.ts";
import { capabilitiesFor } from "./capabilities.ts";
import { describeDevices, plainDevice } from "./devices.ts";
import { describeIdMaps } from "./id-maps.ts";
import { type ContainerOptions, isPropagation, isVolumeOption, type Volume, volumeOptions } from "./options.ts";
import { describePaths } from "./paths.ts";
import type { CheckProfile } from "./seccomp.ts";
import type { ResolvedUser } from "./users.ts";

/** Whether a user namespace is what gives it the rights to start a container. */
export const isRootless = (o: ContainerOptions, facts: HostFacts): boolean =>
  o.rootless ?? (facts.uid !== 0 || facts.powerless === true);

function describeMounts(o: ContainerOptions, userns: boolean, r: Resolved): Mount[] {
  const mounts = standardMounts({
    // Without a network namespace of its own, a user namespace may not mount sysfs: the host's is bound instead.
    bindSys: userns && o.network === "host",
    ttyGroup: !userns,
  }).filter((m) => m.destination !== "/dev/shm" || o.tmpfs?.["/dev/shm"] === undefined);
  mounts.push(...r.groupMounts, ...r.viewMounts);
  if (typeof o.rootfs === "undefined")
    mounts.push({ destination: "/run", type: "tmpfs", options: ["nosuid", "nodev", "mode=755"] });
  for (const [destination, options] of Object.entries(o.tmpfs ?? {})) {
    absolute("tmpfs", destination);
    const words = options.split(",").filter(Boolean);
    mounts.push({ destination, type: "tmpfs", source: "tmpfs", options: ["nosuid", "nodev", ...words] });
  }
  for (const [destination, volume] of Object.entries(o.volumes ?? {})) {
    absolute("volumes", destination);
    const readOnly = typeof volume === "object" && volume.readOnly === true;
    const source = r.volumes.get(destination) ?? "";
    const words = volumeWords(destination, volume);
    mounts.push({
      destination,
      type: "bind",
      source,
      options: [
        "rbind",
        ...(words.some(isPropagation) ? [] : ["rprivate"]),
        ...words,
        ...(readOnly ? ["rro"] : []),
        ...(r.mappedVolumes.has(destination) ? ["ridmap"] : []),
      ],
    });
  }
  return mounts;
}

function volumeWords(destination: string, volume: Volume): readonly string[] {
  const words: readonly string[] = typeof volume === "object" ? (volume.options ?? []) : [];
  for (const word of words)
    if (!isVolumeOption(word))
      throw new InvalidOptionError(`volumes.${destination}.options`, word, `one of ${volumeOptions.join(", ")}`);
  return words;
}

/** Mounts of the container's are to be seen by the host, below a volume: only where its root is shared as well. */
const isShared = (o: ContainerOptions): boolean =>
  Object.values(o.volumes ?? {}).some(
    (v) => typeof v === "object" && v.options?.some((word) => word === "shared" || word === "rshared"),
  );

function absolute(field: string, path: string): void {
  if (!path.startsWith("/") || path === "/" || path.split("/").includes(".."))
    throw new InvalidOptionError(field, path, 'an absolute path in the container without ".."');
}

const hostnamePattern = /^[a-zA-Z0-9]([a-zA-Z0-9.-]{0,62}[a-zA-Z0-9])?$/;

/** What was found out about the host and the root filesystem before: all that the options name by name. */
export type Resolved = {
  readonly name: string;
  readonly root: string;
  readonly user: ResolvedUser;
  readonly workdir: string;
  readonly volumes: ReadonlyMap<string, string>;
  /** Those whose ids are shown as the container's. */
  readonly mappedVolumes: ReadonlySet<string>;
  readonly command: readonly string[];
  readonly limits: CheckedLimits;
  readonly rlimits: readonly Ulimit[];
  /** Where control groups are mounted for a container that manages its own. */
  readonly groupMounts: readonly Mount[];
  readonly viewMounts: readonly Mount[];
  readonly namespaces: readonly Namespace[];
  /** For rules of the caller's. */
  readonly checkProfile?: CheckProfile | undefined;
};

/** The friendly options as an OCI runtime spec. */
export function describe(o: ContainerOptions, facts: HostFacts, r: Resolved): Spec {
  const rootless = isRootless(o, facts);
  const isOwn = (kind: Namespace["type"]) => hasNew(r.namespaces, kind);
  const userns = r.namespaces.some((n) => n.type === "user");
  // Mounts that somebody else made are left as they are.
  const assembled = isOwn("mount");
  const maps = isOwn("user") ? describeIdMaps(o, facts, rootless) : undefined;
  const hostname = o.hostname ?? r.name.slice(0, 63);
  for (const field of ["hostname", "domainname"] as const) {
    const name = o[field];
    if (name !== undefined && !isOwn("uts"))
      throw new InvalidOptionError(field, name, "of use without a UTS namespace of the container's own");
    if (name !== undefined && !hostnamePattern.test(name))
      throw new InvalidOptionError(
        field,
        name,
        `a ${field === "hostname" ? "host" : "domain"} name of letters, digits, dots and hyphens, 64 at most`,
      );
  }
  const capabilities = capabilitiesFor(o, r.user.uid, userns ? capabilityNames : facts.bounding);
  const env = {
    PATH: DEFAULT_PATH,
    HOME: r.user.home,
    ...(isOwn("uts") && { HOSTNAME: hostname }),
    ...(o.tty && { TERM: "xterm-256color" }),
    ...o.env,
  };
  const seccomp = seccompOf(o, facts, capabilities.bounding ?? [], r);
  const pathRules = describePaths(o, r.root);
  return {
    ociVersion: "1.3.0",
    ...(o.labels && { annotations: o.labels }),
    ...(isOwn("uts") && { hostname }),
    ...(o.domainname !== undefined && { domainname: o.domainname }),
    root: { path: r.root, readonly: o.readOnly === true },
    mounts: assembled ? describeMounts(o, userns, r) : [],
    process: {
      terminal: o.tty !== undefined && o.tty !== false,
      user: { ...r.user.ids, ...(o.umask !== undefined && { umask: o.umask }) },
      args: r.command,
      env: Object.entries(env).map(([k, v]) => `${k}=${v}`),
      cwd: r.workdir,
      capabilities,
      rlimits: r.rlimits,
      noNewPrivileges: o.noNewPrivileges ?? true,
      ...(o.apparmorProfile !== undefined && { apparmorProfile: o.apparmorProfile }),
      ...(o.selinuxLabel !== undefined && { selinuxLabel: o.selinuxLabel }),
      ...(o.oomScoreAdj !== undefined && { oomScoreAdj: o.oomScoreAdj }),
    },
    linux: {
      namespaces: r.namespaces,
      ...(isShared(o) && { rootfsPropagation: "shared" as const }),
      resources: resourcesOfLimits(r.limits),
      devices: describeDevices(o.devices ?? []).map(plainDevice),
      ...(pathRules && { landlock: pathRules }),
      ...(assembled && !o.unmask && { maskedPaths: defaultMaskedPaths, readonlyPaths: defaultReadonlyPaths }),
      ...(maps && { uidMappings: maps.uid, gidMappings: maps.gid }),
      ...(o.sysctls && { sysctl: o.sysctls }),
      ...(seccomp && { seccomp }),
      ...(o.clock && { timeOffsets: offsets(o.clock) }),
    },
  };
}

/** "+3d" and "-1h", or seconds, as whole seconds and nanoseconds. */
function offset(field: string, value: number | string): { secs: number; nanosecs: number } {
  const [, sign = "", rest = ""] = /^([+-]?)(.*)$/s.exec(String(value)) ?? [];
  const seconds = (sign === "-" ? -1 : 1) * parseDuration(field, typeof value === "number" ? Math.abs(value) : rest);
  const secs = Math.floor(seconds);
  return { secs, nanosecs: Math.round((seconds - secs) * 1e9) };
}

const offsets = (clock: NonNullable<ContainerOptions["clock"]>) =>
  Object.fromEntries(
    Object.entries(clock).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, offset(`clock.${name}`, value)]],
    ),
  );

function seccompOf(o: ContainerOptions, facts: HostFacts, bounding: readonly string[], r: Resolved) {
  if (o.seccomp === "unconfined") return undefined;
  if (o.seccomp === undefined || o.seccomp === "default") return profile(facts, bounding);
  if (typeof o.seccomp !== "object" || !r.checkProfile)
    throw new InvalidOptionError("seccomp", o.seccomp, '"default", "unconfined" or a profile');
  return r.checkProfile(o.seccomp, { arch: facts.arch, kernel: facts.kernel, bounding });
}

/** One profile per set of capabilities: its assembled filter is kept with it. */
const profiles = new Map<string, ReturnType<typeof defaultProfile>>();
function profile(facts: HostFacts, capabilities: readonly string[]) {
  const key = capabilities.join();
  let found = profiles.get(key);
  if (!found) {
    found = defaultProfile(facts.arch, capabilities);
    profiles.set(key, found);
  }
  return found;
}
