import { realpathSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { hasNew, isNew } from "../compile/context.ts";
import type { Job, RootEntry, Stdio } from "../compile/job.ts";
import type { Spec } from "../compile/spec.ts";
import { factsNow, type HostFacts } from "../host/facts.ts";
import { entriesOf, linkTarget } from "../host/files.ts";
import { workingDirectory } from "../host/given.ts";
import { resolveInRoot } from "../host/in-root.ts";
import { existingPoints, placeMounts } from "../host/mount-points.ts";
import { mapsIds, mountOf } from "../host/mountinfo.ts";
import { ensureDirectory, places } from "../host/places.ts";
import { fsPath } from "../values/bytes.ts";
import { codeOf } from "../values/code-of.ts";
import { CaissonError, InvalidOptionError, UnsupportedError } from "../values/errors.ts";
import { parseUlimits } from "../values/ulimits.ts";
import { parseDuration } from "../values/units.ts";
import type { WithCdi } from "./cdi.ts";
import { closedSources } from "./closed-sources.ts";
import { describe, isRootless } from "./describe.ts";
import { describeDevices } from "./devices.ts";
import { containerGroups } from "./groups.ts";
import { withHosts } from "./hosts.ts";
import { containerName } from "./names.ts";
import { resolveNamespaces } from "./namespaces.ts";
import type { PreparedNetwork } from "./network.ts";
import type { ContainerOptions } from "./options.ts";
import { checkWorkdir } from "./paths.ts";
import { withProfile } from "./profiles.ts";
import { HOSTS_FILE, hostsOf } from "./root-hosts.ts";
import { checkShapes } from "./shape.ts";
import { changesDirectory } from "./state.ts";
import type { Answers } from "./syscalls.ts";
import { resolveUser } from "./users.ts";
import type { View } from "./view.ts";

/** All that a program is compiled from, but for who is told of it. */
export type Prepared = {
  readonly facts: HostFacts;
  readonly spec: Spec;
  readonly job: Omit<Job, "report" | "stdio">;
  /** The options that all of this was made of, and its network before its addresses are taken. */
  readonly options: ContainerOptions;
  readonly network: PreparedNetwork;
  /** Files that show its limits instead of the machine's. */
  readonly view?: View;
  /** System calls that this runtime is to answer. */
  readonly answers?: Answers;
  /** What was asked for and is not done: why. */
  readonly notApplied: readonly string[];
};

export const PIPES: readonly [Stdio, Stdio, Stdio] = [{ kind: "pipe" }, { kind: "pipe" }, { kind: "pipe" }];

function directory(field: string, path: string): string {
  const absolute = resolve(path);
  // An empty text, which a variable may be that was never set, is not this directory.
  const stat = path === "" ? undefined : statSync(fsPath(absolute), { throwIfNoEntry: false });
  if (!stat?.isDirectory()) throw new InvalidOptionError(field, path, "an existing directory");
  return realpathSync.native(absolute);
}

/** The host path of each volume, and whether it is a directory. */
function findVolumes(o: ContainerOptions) {
  const volumes = new Map<string, string>();
  const directories: Record<string, boolean> = {};
  for (const [destination, volume] of Object.entries(o.volumes ?? {})) {
    const given = typeof volume === "string" ? volume : volume.source;
    const source = given && resolve(given);
    const stat = source === "" ? undefined : statSync(fsPath(source), { throwIfNoEntry: false });
    if (!stat)
      throw new InvalidOptionError(`volumes.${destination}`, source, "an existing file or directory of this machine");
    volumes.set(destination, source);
    directories[source] = stat.isDirectory();
  }
  return { volumes, directories };
}

/** Where a root is put together: what is there is covered meanwhile. */
function placeOfRoots(scratch: string, state: string): string {
  ensureDirectory(state);
  return scratch;
}

/** What is replaced by file systems of the container's own. */
const OWN = ["proc", "sys", "dev", "run"];

function rootEntries(facts: HostFacts): RootEntry[] {
  const shown = entriesOf("/").filter((e) => !e.name.startsWith("."));
  return shown.flatMap((e): RootEntry[] => {
    const { name } = e;
    const path = `/${name}`;
    if (e.isSymbolicLink()) return [{ name, kind: "link", target: linkTarget(fsPath(path)) }];
    if (!e.isDirectory()) return [];
    if (OWN.includes(name)) return [{ name, kind: "empty" }];
    return [{ name, kind: facts.mounts.some((m) => m.point.startsWith(`${path}/`)) ? "mounts" : "directory" }];
  });
}

// What most containers do not have is not loaded for them: a start from cold is mostly the reading of code.

const isConnected = (o: ContainerOptions): boolean =>
  o.pod !== undefined || (o.network !== undefined && o.network !== "none" && o.network !== "host");

/** Whether this runtime is to answer system calls: where the kernel decides alone, that costs nothing. */
const isAsked = (o: ContainerOptions, view: View | undefined): boolean =>
  o.onSyscall !== undefined ||
  (o.answer?.length ?? 0) > 0 ||
  o.reportBlocked === true ||
  o.learn === true ||
  view !== undefined ||
  o.date !== undefined;

/** What is named by its kind, as the devices that it is of this machine. */
async function withDevices(o: ContainerOptions): Promise<WithCdi> {
  const listed: readonly string[] = Array.isArray(o.devices) ? o.devices : [];
  const { options, notApplied } = listed.some((d) => d.includes("="))
    ? (await import("./cdi.ts")).withCdi(o, listed)
    : { options: o, notApplied: [] };
  if (o.gpus === undefined) return { options, notApplied };
  return { options: (await import("./gpus.ts")).withGpus(options, o.gpus), notApplied };
}

function here(): string {
  try {
    return workingDirectory();
  } catch (e) {
    throw new CaissonError(`the working directory: ${codeOf(e)} (workdir names another)`);
  }
}

/** The directory that is given as the root filesystem. */
export const givenRoot = ({ rootfs }: ContainerOptions): string | undefined =>
  typeof rootfs === "object" ? rootfs.overlay : rootfs;

/** Checks all options, and looks up what they name. Nothing of the machine is changed. */
export async function prepare(asked: ContainerOptions, command: readonly string[]): Promise<Prepared> {
  checkShapes(asked);
  // A root filesystem of its own shows none of the machine's mounts; for mapped ids it matters which one it is on.
  const facts = factsNow({ mounts: asked.rootfs === undefined || (asked.idMap ?? asked.namespaces) !== undefined });
  const { options: o, notApplied: leftOut } = await withDevices(withProfile(asked, !isRootless(asked, facts)));
  const rootless = isRootless(o, facts);
  const name = containerName(o.name);
  const given = givenRoot(o);
  const onHost = o.rootfs === undefined;
  const root = given === undefined ? "/" : directory("rootfs", given);
  const namespaces = resolveNamespaces(o, rootless || o.idMap !== undefined || o.namespaces?.user === "auto", name);
  const userns = namespaces.some((n) => n.type === "user");
  const mountNamespace = namespaces.find((n) => n.type === "mount");
  const newUsers = hasNew(namespaces, "user");
  const mayMap = newUsers && facts.uid === 0 && !rootless && facts.userNamespace !== true;
  const mapRoot = mayMap && typeOf(facts, root) !== undefined;
  if (o.keep && onHost && userns && !mapRoot)
    throw new UnsupportedError("keep", "a view of the host's root in a user namespace is in memory only");
  const overlay = typeof o.rootfs !== "string";
  if (o.keep && !overlay)
    throw new InvalidOptionError("keep", o.keep, "of use with a root filesystem that is written to directly");
  if (o.hosts) (await import("./hosts.ts")).checkHosts(o.hosts, mountNamespace !== undefined && !mountNamespace.path);
  const { volumes, directories } = findVolumes(o);
  const user = resolveUser(root, o.user, o.groups);
  const workdir = checkWorkdir(o.workdir ?? (onHost ? here() : "/"));
  const views = o.view ? await import("./view.ts") : undefined;
  const view = views?.viewOf(o, name, rootless);
  const ulimits = parseUlimits("ulimits", o.ulimits ?? {});
  const rlimits =
    o.cgroupParent === undefined
      ? ulimits
      : await (await import("./cgroup-parent.ts")).rlimitsIn(o.cgroupParent, ulimits);
  const groups = containerGroups(view ? { cgroups: "account", ...o } : o, facts, name, namespaces);
  const hostname = o.hostname ?? name.slice(0, 63);
  const network: PreparedNetwork = isConnected(o)
    ? (await import("./network.ts")).prepareNetwork(o, facts, { name, hostname })
    : { files: [] };
  const { limits, mounts: groupMounts } = groups;
  const mappedVolumes = new Set(
    [...volumes].flatMap(([destination, source]) => {
      const volume = o.volumes?.[destination];
      const wanted = typeof volume === "object" ? (volume.idmap ?? true) : true;
      return mayMap && wanted && typeOf(facts, source) ? [destination] : [];
    }),
  );
  const described = describe(o, facts, {
    name,
    root,
    user,
    workdir,
    volumes,
    command,
    limits,
    rlimits,
    groupMounts,
    namespaces,
    mappedVolumes,
    viewMounts: views && view ? views.viewMounts(view) : [],
    checkProfile: typeof o.seccomp === "object" ? (await import("./seccomp.ts")).checkedProfile : undefined,
  });
  const spec = { ...described, mounts: placeMounts(root, described.mounts ?? []) };
  const timeoutMs = o.timeout === undefined ? -1 : Math.max(1, Math.round(parseDuration("timeout", o.timeout) * 1000));
  const { scratch, state } = places();
  const keep = o.keep === true ? changesDirectory(name) : o.keep ? resolve(o.keep) : undefined;
  const size = typeof o.tty === "object" ? o.tty : { rows: 24, columns: 80 };
  const answers = isAsked(o, view) ? (await import("./syscalls.ts")).answersOf(o, () => spec, view?.cpus) : undefined;
  const notApplied = [
    ...groups.notApplied,
    ...leftOut,
    ...(mayMap && !mapRoot
      ? [`idMap: ${root} is on a file system that shows no mapped ids: its files are nobody's`]
      : []),
    ...(rootless && Object.keys(o.devices ?? {}).length
      ? ["devices: access to them is as the calling user's, no more"]
      : []),
  ];
  if (o.strict && notApplied.length)
    throw new UnsupportedError("strict", `not everything can be applied: ${notApplied.join("; ")}`);
  return {
    facts,
    spec,
    ...(answers && { answers }),
    ...(view && { view }),
    network,
    options: o,
    notApplied,
    job: {
      name,
      root:
        mountNamespace?.path !== undefined
          ? { kind: "joined" }
          : onHost && !mapRoot && (userns || (facts.userNamespace && !keep))
            ? { kind: "parts", entries: rootEntries(facts) }
            : overlay
              ? { kind: "overlay", ...(keep && { keep }) }
              : { kind: "directory" },
      ...(mapRoot && { mapRoot }),
      scratch: placeOfRoots(scratch, state),
      existing: existingPoints(root, spec.mounts ?? []),
      closed: closedSources(spec, facts),
      directories: {
        ...directories,
        "/sys": true,
        ...Object.fromEntries((view?.files ?? []).map((f) => [f.path, false])),
      },
      deviceSources: Object.fromEntries(describeDevices(o.devices ?? []).map((d) => [d.path, d.source])),
      ...(o.tty && { terminal: { raw: false, ...size } }),
      init: o.init === true,
      idle: false,
      timeoutMs,
      alone: true,
      cgroup: groups.plan,
      ...networkAndFiles(network, o, described),
    },
  };
}

/** What the container has of its network, and the files that it is shown instead of its root's. */
export function networkAndFiles(
  network: PreparedNetwork,
  o: ContainerOptions,
  spec: Spec,
): Pick<Job, "network" | "files"> {
  const at = spec.root?.path ?? "/";
  const isView = typeof o.rootfs !== "string";
  const root = hostsOf(at);
  const place = (path: string) => (path === HOSTS_FILE ? root.path : resolveInRoot(at, path));
  const hostname = spec.hostname ?? network.hostname;
  const files = isNew(spec, "mount") ? withHosts(network, { hosts: o.hosts, hostname, root, isView }) : network.files;
  return {
    ...(network.plan && { network: network.plan }),
    ...(files.length && { files: files.map((f) => ({ ...f, path: place(f.path) })) }),
  };
}

/** The type of the file system that a path is on, if it shows mapped ids. */
function typeOf(facts: HostFacts, path: string): string | undefined {
  const type = mountOf(facts.mounts, path)?.type ?? "";
  return mapsIds(facts, type) ? type : undefined;
}
