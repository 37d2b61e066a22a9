import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Job } from "../compile/job.ts";
import { POD_FILE } from "../compile/pod-file.ts";
import type { NamespaceKind } from "../compile/spec.ts";
import { readJson } from "../host/files.ts";
import { places } from "../host/places.ts";
import { isKind } from "../namespaces/kinds.ts";
import { NameError } from "../values/errors.ts";

export const podDirectory = (name: string): string => join(places().pods, name);

/** Of what is looked up: it leads nowhere else. */
export const isPodName = (name: string): boolean => /^[a-zA-Z0-9_][\w.-]*$/.test(name);

/** The namespaces that a pod keeps, each as a file that can be entered. */
export function podNamespaces(name: string): Partial<Record<NamespaceKind, string>> {
  const directory = podDirectory(name);
  if (!isPodName(name) || !existsSync(directory))
    throw new NameError(name, `there is no pod ${JSON.stringify(name)}: "caisson pod create" makes one`);
  return Object.fromEntries(
    readdirSync(directory)
      .filter(isKind)
      .map((kind) => [kind, join(directory, kind)]),
  );
}

/** The namespace that CNI plugins connect: a file, since they are done before the container is. */
export function cniPod(container: string): { readonly pod: string; readonly namespace: string } {
  const pod = `cni-${container}`;
  return { pod, namespace: join(podDirectory(pod), "network") };
}

/** What its containers see of its network, and what they are called by. */
export function sharedByPod(name: string): { readonly files: NonNullable<Job["files"]>; readonly hostname?: string } {
  const { uts } = podNamespaces(name);
  const noted = readJson<{ network?: { files: NonNullable<Job["files"]> }; hostname?: string }>(
    join(podDirectory(name), POD_FILE),
  );
  if (!noted) throw new NameError(name, `the pod ${name} is just being made, or removed`);
  return { files: noted.network?.files ?? [], ...(uts && noted.hostname && { hostname: noted.hostname }) };
}
