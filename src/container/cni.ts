import { join } from "node:path";
import { type CniNetwork, cniAdd, cniDelete } from "../network/cni.ts";
import { podDirectory } from "./pod.ts";
import { createPod, removePod } from "./pods.ts";

const podOf = (container: string) => `cni-${container}`;

/** The namespace that plugins connect: a file, since they are done before the container is. */
export const cniNamespace = (container: string): string => join(podDirectory(podOf(container)), "network");

/** Makes the namespace and lets the plugins connect it; what is given back undoes both. */
export async function connectCni(network: CniNetwork, container: string): Promise<() => Promise<void>> {
  await createPod({ name: podOf(container), namespaces: ["network"] });
  const target = { container, namespace: cniNamespace(container) };
  try {
    await cniAdd(network, target);
  } catch (e) {
    await removePod(podOf(container));
    throw e;
  }
  return async () => {
    try {
      await cniDelete(network, target);
    } finally {
      await removePod(podOf(container));
    }
  };
}
