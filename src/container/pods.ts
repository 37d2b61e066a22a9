import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { disconnect } from "../compile/network.ts";
import { compilePod, removeKept } from "../compile/pod.ts";
import { POD_FILE } from "../compile/pod-file.ts";
import type { NamespaceKind, Spec } from "../compile/spec.ts";
import { hostFacts } from "../host/facts.ts";
import { namesIn, readJson } from "../host/files.ts";
import { places } from "../host/places.ts";
import { procNames } from "../namespaces/kinds.ts";
import type { NetworkOptions } from "../network/options.ts";
import { encode } from "../program/encode.ts";
import { launcher } from "../program/launcher.ts";
import { performSteps } from "../program/steps.ts";
import { InvalidOptionError, NameError, UnsupportedError } from "../values/errors.ts";
import { checkShape, fields, listOf, text } from "../values/shape.ts";
import { failureOf } from "./failure.ts";
import { describeIdMaps } from "./id-maps.ts";
import { containerName } from "./names.ts";
import { networkChoice } from "./namespaces.ts";
import { claimNetwork, dnsOf, prepareNetwork, unclaimNetwork } from "./network.ts";
import { notedNetwork } from "./noted-network.ts";
import type { ContainerOptions } from "./options.ts";
import { podDirectory } from "./pod.ts";
import { shapes } from "./shape.ts";
import { listContainers, type NotedNetwork } from "./state.ts";

/** What a pod keeps. A PID namespace needs a process, and ends with its first: share a container's instead. */
const kept = ["network", "ipc", "uts", "user"] as const satisfies readonly NamespaceKind[];
type Kept = (typeof kept)[number];

export type PodOptions = {
  readonly name?: string;
  readonly hostname?: string;
  /** Default "none". What is published here is published for all of its containers. */
  readonly network?: Exclude<NetworkOptions, "host">;
  /** Default: network, ipc and uts; user too where ids are mapped. */
  readonly namespaces?: readonly Kept[];
  readonly idMap?: ContainerOptions["idMap"];
  /** Of its network and IPC namespaces: "net.…", "kernel.shmmax", "fs.mqueue.…". */
  readonly sysctls?: Readonly<Record<string, string>>;
};

/** What is known of a pod. */
export type Pod = {
  readonly name: string;
  readonly namespaces: readonly NamespaceKind[];
  readonly hostname?: string;
  readonly network?: NotedNetwork;
};

const { name, hostname, network, idMap, sysctls } = shapes;
const podShape = fields({ name, hostname, network, idMap, sysctls, namespaces: listOf(text) });

function check(o: PodOptions): void {
  checkShape("pod", o, podShape);
  for (const kind of o.namespaces ?? [])
    if (!kept.includes(kind))
      throw new InvalidOptionError("namespaces", kind, `one that a file can keep: ${kept.join(", ")}`);
  if (o.network !== undefined && networkChoice({ network: o.network }) !== "new")
    throw new InvalidOptionError("network", JSON.stringify(o.network), "a network namespace of the pod's own");
}

/** Makes namespaces that live as files, to be shared by containers that name the pod: no process stays for them. */
export async function createPod(o: PodOptions = {}): Promise<Pod> {
  check(o);
  const facts = hostFacts();
  if (facts.uid !== 0) throw new UnsupportedError("pods", "files that keep namespaces are mounts, which need root");
  const name = containerName(o.name);
  const directory = podDirectory(name);
  if (existsSync(directory)) throw new NameError(name, `there is a pod ${name} already`);
  const kinds = [
    ...new Set<Kept>([
      ...(o.namespaces ?? (["network", "ipc", "uts"] as const)),
      ...(o.idMap ? (["user"] as const) : []),
    ]),
  ];
  const maps = o.idMap && describeIdMaps({ idMap: o.idMap }, facts, false);
  const hostname = o.hostname ?? name.slice(0, 63);
  const spec: Spec = {
    ociVersion: "1.3.0",
    ...(kinds.includes("uts") && { hostname }),
    linux: {
      namespaces: kinds.map((type) => ({ type })),
      ...(o.sysctls && { sysctl: o.sysctls }),
      ...(maps && { uidMappings: maps.uid, gidMappings: maps.gid }),
    },
  };
  const names = { name, hostname, root: "/" };
  const options: ContainerOptions = o.network === undefined ? {} : { network: o.network };
  const network = claimNetwork(prepareNetwork(options, facts, names), names, dnsOf(options));
  const job = {
    name,
    root: { kind: "directory" },
    scratch: "/",
    directories: {},
    existing: [],
    stdio: [{ kind: "null" }, { kind: "null" }, { kind: "null" }],
    init: false,
    idle: true,
    timeoutMs: -1,
    cgroup: { groups: [] },
    report: { to: "nobody" },
    ...(network.plan && { network: network.plan }),
  } as const;
  const noted: Pod = { name, namespaces: kinds, hostname, ...notedNetwork({ job, network }) };
  const plan = {
    directory,
    json: JSON.stringify(noted),
    keep: kinds.map((kind) => ({ kind, file: procNames[kind] })),
  };
  mkdirSync(places().pods, { recursive: true, mode: 0o700 });
  const program = compilePod(spec, facts, job, plan);
  try {
    const slots = await launcher().perform(encode(program, false));
    const [section = 0, , step = 0, , errno = 0] = slots;
    if (errno > 0) throw failureOf(program, { section, step, errno });
  } catch (e) {
    unclaimNetwork(network);
    throw e;
  }
  return noted;
}

export const listPods = (): Pod[] =>
  namesIn(places().pods).flatMap((name) => readJson<Pod>(join(podDirectory(name), POD_FILE)) ?? []);

export function findPod(name: string): Pod {
  const pod = listPods().find((p) => p.name === name);
  if (!pod)
    throw new NameError(name, `there is no pod ${JSON.stringify(name)}: "caisson pod list" says which there are`);
  return pod;
}

/** The containers that are in a pod's namespaces. */
export const containersOf = (pod: string): string[] =>
  listContainers()
    .filter((c) => c.noted.spec.linux?.namespaces?.some((n) => n.path?.startsWith(`${podDirectory(pod)}/`)))
    .filter((c) => c.status === "running" || c.status === "creating")
    .map((c) => c.noted.name);

/** Lets the namespaces go, and what was made for its network. */
export async function removePod(name: string): Promise<void> {
  const pod = findPod(name);
  const users = containersOf(name);
  if (users.length) throw new NameError(name, `the pod ${name} is in use by ${users.join(", ")}`);
  const keep = pod.namespaces.map((kind) => ({ kind, file: procNames[kind] }));
  await performSteps((s) => {
    if (pod.network) disconnect(s, pod.network);
    removeKept(s, { directory: podDirectory(name), keep });
  });
}
