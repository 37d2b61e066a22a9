import { statSync } from "node:fs";
import { mountOptions } from "../../compile/mount-options.ts";
import type { NamespaceKind, Spec } from "../../compile/spec.ts";
import { resolveInRoot } from "../../host/in-root.ts";
import { RuntimeError } from "../places.ts";

/**
 * What a container has from outside: criu notes it by a key, and whoever restores the container says what has that key now. The key of a mount is its
 * destination. criu(8) "--external".
 */

/** Bind mounts: where they are in the container, links of its root filesystem followed, and what is there. */
export const bindMounts = (spec: Spec, root: string): { destination: string; source: string }[] =>
  (spec.mounts ?? []).flatMap((m) => {
    const o = mountOptions(m);
    if (!o.bind || o.remount || m.source === undefined) return [];
    return [{ destination: resolveInRoot(root, m.destination), source: m.source }];
  });

/** Files that are masked by a device from the container's own /dev: no directories, which have a file system of their own. */
export const maskedFiles = (spec: Spec, root: string): string[] =>
  (spec.linux?.maskedPaths ?? []).filter(
    (path) => statSync(`${root}${path}`, { throwIfNoEntry: false })?.isDirectory() === false,
  );

/** The keys that runc has, so that images of the one can be restored by the other. */
const KEYS: Partial<Record<NamespaceKind, { readonly word: string; readonly key: string }>> = {
  network: { word: "net", key: "extRootNetNS" },
  pid: { word: "pid", key: "extRootPidNS" },
};

export type ExternalNamespace = { readonly word: string; readonly key: string; readonly path: string };

/** Namespaces that were there before it. */
export function externalNamespaces(spec: Spec): ExternalNamespace[] {
  return (spec.linux?.namespaces ?? []).flatMap(({ type, path }) => {
    if (path === undefined) return [];
    const known = KEYS[type];
    if (!known)
      throw new RuntimeError(
        `linux.namespaces: ${type} namespaces that are given by their path can't be checkpointed by criu; network and pid can`,
      );
    return [{ ...known, path }];
  });
}
