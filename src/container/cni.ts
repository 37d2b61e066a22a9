import { type CniNetwork, cniAdd, cniDelete } from "../network/cni.ts";
import { cniPod } from "./pod.ts";
import { createPod, removePod } from "./pods.ts";

/** Makes the namespace and lets the plugins connect it; what is given back undoes both. */
export async function connectCni(network: CniNetwork, container: string): Promise<() => Promise<void>> {
  const { pod, namespace } = cniPod(container);
  await createPod({ name: pod, namespaces: ["network"] });
  const target = { container, namespace };
  try {
    await cniAdd(network, target);
  } catch (e) {
    await removePod(pod);
    throw e;
  }
  return async () => {
    try {
      await cniDelete(network, target);
    } finally {
      await removePod(pod);
    }
  };
}
