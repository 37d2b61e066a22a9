import { join } from "node:path";
import type { Namespace, NamespaceKind } from "../compile/spec.ts";
import { checkNamespace } from "../namespaces/identify.ts";
import { namespaceKinds, procNames } from "../namespaces/kinds.ts";
import { InvalidOptionError } from "../values/errors.ts";
import type { ContainerOptions } from "./options.ts";
import { cniPod, podNamespaces } from "./pod.ts";
import { runningContainer } from "./state.ts";

/**
 * One namespace: of the container's own, the host's, one that is kept as a file, or another container's.
 * Source: namespaces(7).
 */
export type NamespaceChoice = "new" | "host" | { readonly path: string } | { readonly container: string };

/**
 * Each kind but the network's, which has an option of its own. Default: "new", but "host" for `time` (unless `clock`
 * is given) and `user` (unless ids are mapped). `user: "auto"` maps ids to a range that no other container has.
 */
export type NamespaceOptions = {
  readonly [K in Exclude<NamespaceKind, "network" | "user">]?: NamespaceChoice;
} & { readonly user?: NamespaceChoice | "auto" };

const newByDefault: readonly NamespaceKind[] = ["pid", "mount", "ipc", "uts", "cgroup"];

/** The namespace of a container that runs, by its first process. */
const ofContainer = (name: string, kind: NamespaceKind) =>
  `/proc/${runningContainer(name).started.pid}/ns/${procNames[kind]}`;

function choiceOf(o: ContainerOptions, kind: NamespaceKind, mapped: boolean): NamespaceChoice {
  const given = kind === "network" ? networkChoice(o) : o.namespaces?.[kind];
  if (given === "auto") return "new";
  if (given !== undefined) return given;
  if (kind === "time") return o.clock ? "new" : "host";
  if (kind === "user") return mapped ? "new" : "host";
  return newByDefault.includes(kind) ? "new" : "host";
}

/** What the network option says of the namespace. */
export function networkChoice({ network = "none" }: ContainerOptions): NamespaceChoice {
  if (network === "host") return "host";
  if (typeof network === "object" && "path" in network) return network;
  if (typeof network === "object" && "container" in network) return network;
  return "new";
}

const isGiven = (o: ContainerOptions, kind: NamespaceKind) =>
  kind === "network" ? o.network !== undefined : o.namespaces?.[kind] !== undefined;

function check(field: string, choice: unknown): asserts choice is NamespaceChoice {
  const ok =
    choice === "new" ||
    choice === "host" ||
    (typeof choice === "object" &&
      choice !== null &&
      Object.keys(choice).length === 1 &&
      ["path", "container"].some((k) => typeof (choice as Record<string, unknown>)[k] === "string"));
  if (!ok) throw new InvalidOptionError(field, choice, '"new", "host", { path: … } or { container: … }');
}

/** The namespaces of a container as its spec lists them: one that is not listed is the host's. */
export function resolveNamespaces(o: ContainerOptions, mapped: boolean, name: string): Namespace[] {
  for (const kind of Object.keys(o.namespaces ?? {}))
    if (kind === "network" || !namespaceKinds.some((k) => k === kind))
      throw new InvalidOptionError(
        "namespaces",
        kind,
        `one of ${namespaceKinds.filter((k) => k !== "network").join(", ")} (the network has an option of its own)`,
      );
  const pod = o.pod === undefined ? {} : podNamespaces(o.pod);
  return namespaceKinds.flatMap((kind): Namespace[] => {
    const shared = pod[kind];
    if (shared !== undefined && !isGiven(o, kind)) return [{ type: kind, path: shared }];
    const field = kind === "network" ? "network" : `namespaces.${kind}`;
    // It is there once the plugins are asked.
    if (kind === "network" && typeof o.network === "object" && "cni" in o.network)
      return [{ type: kind, path: cniPod(name).namespace }];
    const choice = choiceOf(o, kind, mapped);
    check(field, choice);
    if (choice === "host") return [];
    if (choice === "new") return [{ type: kind }];
    const path = "path" in choice ? choice.path : ofContainer(choice.container, kind);
    checkNamespace(field, path, kind);
    return [{ type: kind, path: path.startsWith("/") ? path : join(process.cwd(), path) }];
  });
}
